//! Writes the JavaScript glue of a WASM module, as `wasm-bindgen --target web` does.
//!
//! The library is used instead of the wasm-bindgen program because it builds in a quarter of the time.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: nearhand-bindgen MODULE.wasm FOLDER");
    };
    let generated = || {
        Bindgen::new()
            .input_path(&module)
            .web(true)?
            .typescript(false)
            .remove_name_section(true)
            .remove_producers_section(true)
            // Keeps `init()` working without an argument: the module is found beside the script.
            .omit_default_module_path(false)
            .generate(&folder)
    };
    generated().with_context(|| format!("generating the JavaScript glue of {}", module.display()))
}
