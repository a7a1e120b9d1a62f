//! Whether openh264's assembly is in this program: its build leaves it out without a word when NASM is missing, and is
//! then two to three times slower.

use std::os::raw::c_int;

unsafe extern "C" {
    /// `codec/common/src/cpu.cpp` of openh264: the `WELS_CPU_*` flags of `cpu_features.h`.
    fn WelsCPUFeatureDetect(logic_processors: *mut c_int) -> u32;
}

/// Whether openh264 was compiled with its assembly and this processor can run it.
///
/// openh264's own detection is asked, which is compiled to "no features" when the assembly was left out, so the answer
/// is about this very program and not about the machine that built it.
pub fn assembly() -> bool {
    let mut processors: c_int = 0;
    // SAFETY: the function writes at most one int through the pointer, which is valid for the call; it has no state.
    let features = unsafe { WelsCPUFeatureDetect(&raw mut processors) };
    features != 0
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
    fn openh264_has_its_assembly() {
        assert!(
            super::assembly(),
            "openh264 was built without its assembly and is two to three times slower: install nasm, then \
             `cargo clean -p openh264-sys2` and build again"
        );
    }
}
