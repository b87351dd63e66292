//! The fuzz targets' corpus, run as an ordinary test with all its bounds: what was found once stays found.

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the file is a crate of its own elsewhere")]
mod fuzz;

use std::path::Path;

/// Runs every input of a target's corpus, a line of hexadecimal digits each.
fn replay(name: &str) {
    let (_, target) = fuzz::TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fuzz/corpus/{name}.hex"));
    let text = std::fs::read_to_string(&file).expect("the corpus is there");
    for (line, input) in text.lines().enumerate() {
        // The last one that a failure prints is the culprit.
        println!("{}:{}", file.display(), line + 1);
        target(&unhex(input));
    }
    assert!(text.lines().count() > 10, "{} is whole", file.display());
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex")).collect()
}

#[test]
fn requests_of_the_corpus_pass() {
    replay("request");
}

#[test]
fn responses_of_the_corpus_pass() {
    replay("response");
}

#[test]
fn stored_and_embedded_messages_of_the_corpus_pass() {
    replay("data");
}

#[test]
fn batches_of_the_corpus_pass() {
    replay("batch");
}

#[test]
fn old_message_sets_of_the_corpus_pass() {
    replay("legacy");
}

#[test]
fn compressed_records_of_the_corpus_pass() {
    replay("decompress");
}

#[test]
fn files_of_the_corpus_pass() {
    replay("segment");
}
