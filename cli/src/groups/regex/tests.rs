//! What RE2/J takes, and what it says of the rest.

use super::*;

#[test]
fn what_re2_takes_is_valid() {
    for regex in [
        "",
        "a.*|b+?",
        "(a|b){2,5}",
        "(?i:x)(?P<n>y)(?<m>z)",
        "a{",
        "a{,2}",
        "a{02}",
        "[]a-]",
        "[^a-z\\d[:alpha:]]",
        "\\Qa*(\\E+",
        "\\p{Greek}\\PL\\p{^Lu}",
        "\\x41\\x{10FFFF}\\012\\0",
        "a(?i)*",
        "^*",
        "\\_\\.",
        "(?)",
        "[a-\\x{7a}]",
        "é*",
    ] {
        assert_eq!(check(regex), Ok(()), "{regex}");
    }
}

#[test]
fn what_re2_refuses_is_refused_in_its_words() {
    for (regex, error) in [
        ("a(", RegexError::OpenGroup),
        ("a)", RegexError::NoGroup),
        ("a**", RegexError::NestedRepeat),
        ("a{2}{3}", RegexError::NestedRepeat),
        ("a{*", RegexError::NestedRepeat),
        ("**", RegexError::RepeatNothing),
        ("(|*)", RegexError::RepeatNothing),
        ("(?i)*", RegexError::RepeatNothing),
        ("a{1001}", RegexError::RepeatCount),
        ("a{3,2}", RegexError::RepeatCount),
        ("a{123456789}", RegexError::RepeatCount),
        ("[z-a]", RegexError::Range),
        ("[[:nosuch:]]", RegexError::Range),
        ("\\p{Nosuch}", RegexError::Range),
        ("[a", RegexError::OpenClass),
        ("[]", RegexError::OpenClass),
        ("\\", RegexError::TrailingBackslash),
        ("\\1", RegexError::Escape),
        ("\\C", RegexError::Escape),
        ("\\x{110000}", RegexError::Escape),
        ("[\\b]", RegexError::Escape),
        ("(?=a)", RegexError::PerlSyntax),
        ("(?i-)", RegexError::PerlSyntax),
        ("(?P<n-n>a)", RegexError::NamedCapture),
        ("(?P<n>a)(?<n>b)", RegexError::DuplicateName),
    ] {
        assert_eq!(check(regex), Err(error), "{regex}");
    }
}
