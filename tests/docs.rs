//! The documents say only what is there.

use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the workspace")
}

/// Paths in back ticks that begin with a folder of the workspace.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    const FOLDERS: [&str; 8] =
        ["protocol/", "client/", "cli/", "broker-minimal/", "examples/", "tests/", "benches/", "docs/"];
    text.split('`').skip(1).step_by(2).filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut seen = 0;
    let mut missing = Vec::new();
    for document in
        ["docs/ARCHITECTURE.md", "docs/STORAGE.md", "docs/TESTING.md", "docs/STYLE.md", "README.md"]
    {
        let text = std::fs::read_to_string(root().join(document)).expect(document);
        for path in paths(&text) {
            seen += 1;
            if !root().join(path).exists() {
                missing.push(format!("{document}: {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "named but not there: {missing:#?}");
    assert!(seen > 40, "only {seen} paths were found: the search is broken");
}
