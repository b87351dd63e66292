//! Java's properties format: comments, continued lines, escapes. What the keys mean is not known here.

/// One entry of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Reads all entries in order. Every text is a properties file: what looks odd becomes an odd key, as in Java.
pub(crate) fn parse(text: &str) -> Vec<Property> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = String::new();
        let mut part = first;
        while let Some(continued) = continued(part) {
            logical.push_str(continued);
            part = lines.next().map_or("", |(_, next)| next.trim_start());
        }
        logical.push_str(part);
        let (key, value) = split(&logical);
        entries.push(Property {
            line: index + 1,
            key: unescape(key),
            value: unescape(value).trim_end().to_owned(),
        });
    }
    entries
}

/// What stands before the backslash that continues the line; `None` when it ends here.
fn continued(line: &str) -> Option<&str> {
    let slashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
    // An even number of backslashes is backslashes.
    if slashes % 2 == 1 { line.strip_suffix('\\') } else { None }
}

/// Key and value: the first `=`, `:` or blank that is not escaped ends the key.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = !escaped && c == '\\';
        ends
    });
    let Some((key, rest)) = end.and_then(|(at, _)| line.split_at_checked(at)) else { return (line, "") };
    let rest = rest.trim_start();
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                out.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_javas() {
        let text =
            "# comment\n! comment\n\n a = 1 \nb:2\nc 3\nd\ne = x \\\n   y\nf=\\u0041\\tz\nd\\:e=C:\\\\tmp\n";
        let entries: Vec<_> = parse(text).into_iter().map(|p| (p.line, p.key, p.value)).collect();
        let expected = [
            (4, "a", "1"),
            (5, "b", "2"),
            (6, "c", "3"),
            (7, "d", ""),
            (8, "e", "x y"),
            (10, "f", "A\tz"),
            (11, "d:e", "C:\\tmp"),
        ];
        assert_eq!(entries, expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_hash_behind_a_value_belongs_to_the_value() {
        assert_eq!(parse("a=1 # one").first().map(|p| p.value.as_str()), Some("1 # one"));
    }
}
