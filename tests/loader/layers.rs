//! The layers of `src`: imports run one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the program, each with the modules that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_module_imports_itself_by_way_of_others() {
    let imports = imports();
    assert!(imports.len() > 50, "{imports:#?}");
    for module in imports.keys() {
        if let Some(path) = path_back(&imports, module) {
            panic!("{} is a cycle", path.join(" -> "));
        }
    }
}

#[test]
fn the_rules_know_neither_files_nor_postgresql() {
    let outside = [
        "inbox",
        "warehouse",
        "run",
        "archive",
        "pages",
        "cli",
        "logging",
    ];
    for (module, imported) in imports() {
        let layer = module.split("::").next().unwrap_or_default().to_owned();
        let is_rule = ["entity", "event", "timeline", "checkpoint"].contains(&layer.as_str());
        for import in imported {
            let imported_layer = import.split("::").next().unwrap_or_default();
            assert!(
                !(is_rule && outside.contains(&imported_layer)),
                "{module} imports {import}"
            );
            let order = ["inbox", "warehouse", "run", "archive", "pages", "cli"];
            let place = |layer: &str| order.iter().position(|name| *name == layer);
            if let (Some(own), Some(other)) = (place(&layer), place(imported_layer)) {
                assert!(other <= own, "{module} imports {import}");
            }
        }
    }
}

/// A path of imports from a module back to itself.
fn path_back(imports: &Imports, start: &str) -> Option<Vec<String>> {
    let mut paths = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop() {
        let last = path.last().cloned().unwrap_or_default();
        for next in imports.get(&last).into_iter().flatten() {
            if next == start {
                return Some([path, vec![next.clone()]].concat());
            }
            if seen.insert(next.clone()) {
                paths.push([path.clone(), vec![next.clone()]].concat());
            }
        }
    }
    None
}

fn imports() -> Imports {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list(&root, &mut files);
    let modules: BTreeSet<String> = files.iter().map(|file| module(&root, file)).collect();
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("a source file");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let own = module(&root, file);
            let imported = paths(code, &own, file.ends_with("mod.rs"))
                .into_iter()
                .filter_map(|path| longest_module(&modules, &path))
                .filter(|imported| *imported != own)
                .collect();
            (own, imported)
        })
        .collect()
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry of src").path();
        if path.is_dir() && !path.ends_with("services") {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !["lib.rs", "main.rs", "build.rs"]
                .iter()
                .any(|name| path.ends_with(name))
        {
            files.push(path);
        }
    }
}

/// The module that a file is, such as `run::chunk`.
fn module(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).expect("a file of src");
    let path = path.with_extension("");
    let names: Vec<&str> = path.iter().filter_map(|name| name.to_str()).collect();
    let names = match names.as_slice() {
        [folders @ .., "mod"] => folders,
        names => names,
    };
    names.join("::")
}

/// The paths that `use` and inline paths of a file begin with, from the root of the crate.
fn paths(code: &str, own: &str, is_folder: bool) -> Vec<String> {
    let parent = match is_folder {
        true => own.to_owned(),
        false => own
            .rsplit_once("::")
            .map_or("", |(parent, _)| parent)
            .to_owned(),
    };
    let above = parent.rsplit_once("::").map_or("", |(above, _)| above);
    let flat = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = Vec::new();
    for (prefix, base) in [
        ("crate::", ""),
        ("super::", if is_folder { above } else { &parent }),
        ("self::", own),
    ] {
        for (position, _) in flat.match_indices(prefix) {
            let before = flat[..position].chars().next_back();
            if before.is_some_and(|char| char.is_alphanumeric() || "_:".contains(char)) {
                continue;
            }
            for path in expand(&flat[position + prefix.len()..]) {
                found.push(match base {
                    "" => path,
                    base => format!("{base}::{path}"),
                });
            }
        }
    }
    found
}

/// The paths of a `use` tree, without what is renamed: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let end = tree
        .find(|char: char| !(char.is_alphanumeric() || "_:".contains(char)))
        .unwrap_or(tree.len());
    let head = tree[..end].trim_end_matches(':');
    if !tree[end..].starts_with('{') || !tree[..end].ends_with("::") {
        return vec![head.to_owned()];
    }
    let (mut depth, mut starts, mut items) = (0, end + 1, Vec::new());
    for (position, char) in tree[end..].char_indices() {
        let position = end + position;
        match char {
            '{' => depth += 1,
            '}' | ',' if depth == 1 => {
                items.push(tree[starts..position].trim());
                starts = position + 1;
                if char == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    items
        .into_iter()
        .filter(|item| !item.is_empty() && *item != "self")
        .flat_map(expand)
        .map(|path| format!("{head}::{path}"))
        .chain([head.to_owned()])
        .collect()
}

/// The longest beginning of a path that is a module.
fn longest_module(modules: &BTreeSet<String>, path: &str) -> Option<String> {
    let mut path = path;
    loop {
        if modules.contains(path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once("::")?.0;
    }
}
