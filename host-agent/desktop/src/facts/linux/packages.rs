//! Installed software, from the files of package managers. None of their programs is started.

use std::path::Path;

use nearhand_protocol::facts::Column as C;

use super::{entries, name, text};
use crate::facts::Table;

pub(super) fn all(table: &mut Table, root: &Path) {
    // deb-control(5): paragraphs of fields.
    for paragraph in text(root.join("var/lib/dpkg/status")).split("\n\n") {
        if field(paragraph, "Status: ").is_some_and(|status| status.ends_with(" installed"))
            && let Some(package) = field(paragraph, "Package: ")
            && !add(table, package, field(paragraph, "Version: ").unwrap_or_default(), "dpkg")
        {
            return;
        }
    }
    for path in entries(root.join("var/lib/pacman/local")) {
        let told = text(path.join("desc"));
        if let Some(package) = below(&told, "%NAME%")
            && !add(table, package, below(&told, "%VERSION%").unwrap_or_default(), "pacman")
        {
            return;
        }
    }
    for paragraph in text(root.join("lib/apk/db/installed")).split("\n\n") {
        if let Some(package) = field(paragraph, "P:")
            && !add(table, package, field(paragraph, "V:").unwrap_or_default(), "apk")
        {
            return;
        }
    }
    for (folder, source) in [("var/lib/flatpak/app", "flatpak"), ("var/lib/flatpak/runtime", "flatpak")] {
        for path in entries(root.join(folder)) {
            add(table, &name(&path), "", source);
        }
    }
    for path in entries(root.join("snap")).into_iter().filter(|path| path.join("current").exists()) {
        // It leads to the folder of the revision.
        let version = std::fs::read_link(path.join("current")).map(|to| name(&to)).unwrap_or_default();
        add(table, &name(&path), &version, "snap");
    }
    // A database of its own, which only its program reads.
    let databases = ["var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/rpmdb.sqlite"];
    if databases.iter().any(|path| root.join(path).exists()) {
        add(table, "?", "", "rpm");
    }
}

fn add(table: &mut Table, package: &str, version: &str, source: &str) -> bool {
    table.row(&[(C::Name, &package), (C::Version, &version), (C::Source, &source)])
}

/// The rest of the line that begins so.
fn field<'a>(paragraph: &'a str, begin: &str) -> Option<&'a str> {
    paragraph.lines().find_map(|line| line.strip_prefix(begin)).map(str::trim)
}

/// The line below this one.
fn below<'a>(text: &'a str, line: &str) -> Option<&'a str> {
    text.lines().skip_while(|other| *other != line).nth(1).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};
    use std::sync::atomic::AtomicBool;

    use nearhand_protocol::facts::Topic;

    use super::*;

    fn found(root: &Path) -> Vec<Vec<String>> {
        let go_on = AtomicBool::new(false);
        let mut table = Table::new(Topic::Software, &go_on);
        all(&mut table, root);
        table.sheet.rows().to_vec()
    }

    #[test]
    fn packages_of_every_manager() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, contents: &str| {
            let path = root.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, contents).unwrap();
        };
        assert!(found(root.path()).is_empty());
        put(
            "var/lib/dpkg/status",
            "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nDescription: a shell\n Package: not-this\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nStatus: install ok installed\n\n\
             Package: half\nStatus: install ok installed\n",
        );
        put("var/lib/pacman/local/zlib-1.3-1/desc", "%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n");
        put("var/lib/pacman/local/broken/desc", "%NAME%");
        put("lib/apk/db/installed", "C:Q1\nP:musl\nV:1.2.5-r0\n\nP:busybox\nV:1.36\n");
        put("var/lib/flatpak/app/org.gimp.GIMP/current", "");
        put("snap/hello/42/meta", "");
        std::os::unix::fs::symlink("42", root.path().join("snap/hello/current")).unwrap();
        put("snap/bin/hello", "");
        put("var/lib/rpm/rpmdb.sqlite", "");
        let expected = [
            ["bash", "5.2-1", "dpkg"],
            ["half", "", "dpkg"],
            ["zlib", "1:1.3-1", "pacman"],
            ["musl", "1.2.5-r0", "apk"],
            ["busybox", "1.36", "apk"],
            ["org.gimp.GIMP", "", "flatpak"],
            ["hello", "42", "snap"],
            ["?", "", "rpm"],
        ];
        assert_eq!(found(root.path()), expected);
    }

    #[test]
    fn any_bytes_are_only_text() {
        let root = tempfile::tempdir().unwrap();
        create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        let odd: Vec<u8> = (0..50_000_u32).map(|n| (n * 31 % 256) as u8).collect();
        let line = b"\n\nPackage: \xff\x00\x1b[31m\nStatus: a b installed\nVersion:\n";
        write(root.path().join("var/lib/dpkg/status"), [&odd[..], line].concat()).unwrap();
        let rows = found(root.path());
        assert_eq!(rows.last().unwrap()[0], "\u{fffd}  [31m");
    }
}
