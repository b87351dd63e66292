//! Java's `.properties` format: what files for `--command-config` are written in.

/// The entries of the text of a Java `.properties` file, in order: comments, `=`, `:` or blanks after the key, escapes,
/// continued lines. A key may come twice; the later one counts. Every text is such a file: there is no error.
pub fn parse_properties(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(first) = lines.next() {
        let first = first.trim_start();
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut line = first.to_owned();
        // An odd number of backslashes at the end joins the next line.
        while line.len() % 2 != line.trim_end_matches('\\').len() % 2 {
            line.pop();
            let Some(next) = lines.next() else { break };
            line.push_str(next.trim_start());
        }
        let (key, value) = split(&line);
        out.push((unescape(key), unescape(value)));
    }
    out
}

/// Key and value are parted by the first unescaped `=`, `:` or blank, with blanks around it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if matches!(c, '=' | ':') || c.is_whitespace() {
            let (key, rest) = line.split_at(at);
            let rest = rest.trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, rest.trim_start());
        }
    }
    (line, "")
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
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let code: String = chars.by_ref().take(4).collect();
                out.push(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'));
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
    fn a_file_is_read_as_java_reads_it() {
        let text = "# comment\n! too\n\nacks=all\n linger.ms : 5 \nclient.id one two\nempty=\nlist=a,\\\n   b\n\
                    path=C\\:\\\\x\\u0041\n";
        let got = parse_properties(text);
        let want = [
            ("acks", "all"),
            ("linger.ms", "5 "),
            ("client.id", "one two"),
            ("empty", ""),
            ("list", "a,b"),
            ("path", "C:\\xA"),
        ];
        let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn a_backslash_at_the_very_end_is_no_trap() {
        assert_eq!(parse_properties("a=b\\"), [("a".to_owned(), "b".to_owned())]);
    }
}
