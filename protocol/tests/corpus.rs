//! The fuzz targets' corpus, run as an ordinary test: what was found once stays found.

#[path = "../../fuzz/lib.rs"]
#[allow(unreachable_pub, reason = "the file is a crate of its own elsewhere")]
mod fuzz;

use std::path::Path;

use crate::fuzz::{Direction, batches, message};

/// Runs every file of a corpus folder through `target`.
fn each_file(folder: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(folder);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        target(&std::fs::read(path).expect("a file"));
        count += 1;
    }
    assert!(count > 0, "nothing in {}", folder.display());
}

#[test]
fn requests_of_the_corpus_pass() {
    each_file("request", |data| message(Direction::Request, data));
}

#[test]
fn responses_of_the_corpus_pass() {
    each_file("response", |data| message(Direction::Response, data));
}

#[test]
fn batches_of_the_corpus_pass() {
    each_file("batch", batches);
}
