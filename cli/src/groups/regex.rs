//! Whether a broker takes a regular expression of topics (`--validate-regex`): the syntax of RE2/J, with its words for what is
//! wrong. Pure.
//!
//! Kafka's brokers match the patterns of consumers by that library (KIP-848). No regular expressions of Rust have just its syntax:
//! theirs take `a**`, refuse a `{` that stands for itself, and have no `\Q…\E`; a verdict by them would be wrong.

mod names;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use names::{CATEGORIES, POSIX, SCRIPTS};

/// What RE2/J says of an expression that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum RegexError {
    #[error("invalid character class range")]
    Range,
    #[error("invalid escape sequence")]
    Escape,
    #[error("invalid named capture")]
    NamedCapture,
    #[error("duplicate capture group name")]
    DuplicateName,
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    #[error("invalid nested repetition operator")]
    NestedRepeat,
    #[error("invalid repeat count")]
    RepeatCount,
    #[error("missing argument to repetition operator")]
    RepeatNothing,
    #[error("missing closing ]")]
    OpenClass,
    #[error("missing closing )")]
    OpenGroup,
    /// RE2/J's words for a group that is closed and was never opened.
    #[error("regexp/syntax: internal error")]
    NoGroup,
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
}

/// Checks a whole expression; the first error counts.
pub fn check(regex: &str) -> Result<(), RegexError> {
    let mut parser = Parser { rest: regex, names: HashSet::new(), open: 0, has_operand: false };
    let mut is_repeated = false;
    while !parser.rest.is_empty() {
        is_repeated = parser.step(is_repeated)?;
    }
    if parser.open > 0 { Err(RegexError::OpenGroup) } else { Ok(()) }
}

struct Parser<'a> {
    rest: &'a str,
    names: HashSet<&'a str>,
    /// Groups that are not closed yet.
    open: usize,
    /// Something stands before, within this group and alternative, that can be repeated.
    has_operand: bool,
}

/// A number in a repetition.
enum Count {
    Number(u32),
    TooLong,
}

impl<'a> Parser<'a> {
    /// Reads one item; `is_repeated` says, as the answer does of this item, that a repetition came before.
    fn step(&mut self, is_repeated: bool) -> Result<bool, RegexError> {
        match self.peek() {
            Some('(') if self.rest.starts_with("(?") => self.perl_group()?,
            Some('(') => {
                self.pop();
                self.open_group();
            }
            Some('|') => {
                self.pop();
                self.has_operand = false;
            }
            Some(')') => {
                self.pop();
                self.open = self.open.checked_sub(1).ok_or(RegexError::NoGroup)?;
                self.has_operand = true;
            }
            Some('[') => self.class()?,
            Some('*' | '+' | '?') => {
                self.pop();
                return self.repeat(is_repeated).map(|()| true);
            }
            Some('{') => {
                // One that begins no repetition stands for itself, but cannot be repeated either.
                return match self.repetition()? {
                    true => self.repeat(is_repeated).map(|()| true),
                    false => {
                        self.literal();
                        Ok(true)
                    }
                };
            }
            Some('\\') => self.backslash()?,
            Some(_) | None => self.literal(),
        }
        Ok(false)
    }

    fn repeat(&mut self, is_repeated: bool) -> Result<(), RegexError> {
        self.take("?");
        if is_repeated {
            return Err(RegexError::NestedRepeat);
        }
        if self.has_operand { Ok(()) } else { Err(RegexError::RepeatNothing) }
    }

    /// `{2}`, `{2,}` or `{2,5}`; nothing is taken if it is none.
    fn repetition(&mut self) -> Result<bool, RegexError> {
        let begin = self.rest;
        let bounds = self.bounds();
        if bounds.is_none() {
            self.rest = begin;
        }
        let fits = |count: &Count| matches!(count, Count::Number(0..=1000));
        match bounds {
            None => Ok(false),
            Some((min, max)) if !fits(&min) || !max.iter().all(fits) => Err(RegexError::RepeatCount),
            Some((Count::Number(min), Some(Count::Number(max)))) if min > max => Err(RegexError::RepeatCount),
            Some(_) => Ok(true),
        }
    }

    fn bounds(&mut self) -> Option<(Count, Option<Count>)> {
        self.take("{");
        let min = self.count()?;
        if self.take("}") {
            return Some((min, None));
        }
        self.take(",").then_some(())?;
        if self.take("}") {
            return Some((min, None));
        }
        let max = self.count()?;
        self.take("}").then_some((min, Some(max)))
    }

    /// A number without leading zeros.
    fn count(&mut self) -> Option<Count> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let digits = self.take_bytes(end);
        match digits {
            "" => None,
            _ if digits.len() > 1 && digits.starts_with('0') => None,
            _ if digits.len() > 8 => Some(Count::TooLong),
            _ => digits.parse().ok().map(Count::Number),
        }
    }

    /// What begins with `(?`: a group with a name, a group without a number, or flags.
    fn perl_group(&mut self) -> Result<(), RegexError> {
        if self.take("(?P<") || self.take("(?<") {
            let (name, rest) = self.rest.split_once('>').ok_or(RegexError::NamedCapture)?;
            let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(RegexError::NamedCapture);
            }
            if !self.names.insert(name) {
                return Err(RegexError::DuplicateName);
            }
            self.rest = rest;
            self.open_group();
            return Ok(());
        }
        self.take("(?");
        let (mut negated, mut has_flag) = (false, false);
        while let Some(character) = self.pop() {
            match character {
                'i' | 'm' | 's' | 'U' => has_flag = true,
                '-' if !negated => (negated, has_flag) = (true, false),
                ':' | ')' if negated && !has_flag => break,
                ':' => {
                    self.open_group();
                    return Ok(());
                }
                ')' => return Ok(()),
                _ => break,
            }
        }
        Err(RegexError::PerlSyntax)
    }

    fn open_group(&mut self) {
        self.open += 1;
        self.has_operand = false;
    }

    /// What begins with a backslash, outside of a class.
    fn backslash(&mut self) -> Result<(), RegexError> {
        if self.take("\\Q") {
            let literal = self.rest.find("\\E").unwrap_or(self.rest.len());
            self.has_operand |= literal > 0;
            self.take_bytes(literal);
            self.take("\\E");
            return Ok(());
        }
        let is_anchor = ["\\A", "\\b", "\\B", "\\z"].into_iter().any(|anchor| self.take(anchor));
        if !is_anchor && !self.unicode_class()? && !self.perl_class() {
            self.escape()?;
        }
        self.has_operand = true;
        Ok(())
    }

    /// `[…]`.
    fn class(&mut self) -> Result<(), RegexError> {
        self.take("[");
        self.take("^");
        let mut first = true;
        while first || self.peek() != Some(']') {
            first = false;
            if self.posix_class()? || self.unicode_class()? || self.perl_class() {
                continue;
            }
            let low = self.class_character()?;
            if self.peek() == Some('-') && !self.rest.starts_with("-]") {
                self.take("-");
                if self.class_character()? < low {
                    return Err(RegexError::Range);
                }
            }
        }
        self.take("]");
        self.has_operand = true;
        Ok(())
    }

    fn class_character(&mut self) -> Result<u32, RegexError> {
        match self.peek() {
            None => Err(RegexError::OpenClass),
            Some('\\') => self.escape(),
            Some(character) => {
                self.pop();
                Ok(character.into())
            }
        }
    }

    /// `[:alpha:]` within a class.
    fn posix_class(&mut self) -> Result<bool, RegexError> {
        let Some(inner) = self.rest.strip_prefix("[:") else { return Ok(false) };
        // As RE2/J looks for the end: `[:]` is a name, too, though of nothing.
        let Some(end) = self.rest.find(":]") else { return Ok(false) };
        let name = inner.get(..end.saturating_sub(2)).unwrap_or_default();
        let rest = self.rest.get(end + 2..).unwrap_or_default();
        if !is_one_of(name.strip_prefix('^').unwrap_or(name), POSIX) {
            return Err(RegexError::Range);
        }
        self.rest = rest;
        Ok(true)
    }

    /// `\pL`, `\p{Greek}`, `\P{^Greek}`.
    fn unicode_class(&mut self) -> Result<bool, RegexError> {
        if !self.take("\\p") && !self.take("\\P") {
            return Ok(false);
        }
        let name = if self.take("{") {
            let (name, rest) = self.rest.split_once('}').ok_or(RegexError::Range)?;
            self.rest = rest;
            name
        } else {
            self.take_bytes(self.peek().map_or(0, char::len_utf8))
        };
        let name = name.strip_prefix('^').unwrap_or(name);
        let is_known = name == "Any" || is_one_of(name, CATEGORIES) || is_one_of(name, SCRIPTS);
        if is_known { Ok(true) } else { Err(RegexError::Range) }
    }

    /// `\d` and the like.
    fn perl_class(&mut self) -> bool {
        ["\\d", "\\D", "\\s", "\\S", "\\w", "\\W"].into_iter().any(|class| self.take(class))
    }

    /// One character by its escape.
    fn escape(&mut self) -> Result<u32, RegexError> {
        self.take("\\");
        let character = self.pop().ok_or(RegexError::TrailingBackslash)?;
        match character {
            // A digit alone would refer to a group.
            '1'..='7' if !matches!(self.peek(), Some('0'..='7')) => Err(RegexError::Escape),
            '0'..='7' => {
                let mut code = character.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|next| next.to_digit(8)) else { break };
                    self.pop();
                    code = code * 8 + digit;
                }
                Ok(code)
            }
            'x' => self.hexadecimal().ok_or(RegexError::Escape),
            'a' => Ok(7),
            'f' => Ok(12),
            'n' => Ok(10),
            'r' => Ok(13),
            't' => Ok(9),
            'v' => Ok(11),
            other if other.is_ascii_alphanumeric() => Err(RegexError::Escape),
            other => Ok(other.into()),
        }
    }

    /// What follows `\x`: two digits, or any number in braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        if !self.take("{") {
            let high = self.pop()?.to_digit(16);
            let low = self.pop()?.to_digit(16)?;
            return Some(high? * 16 + low);
        }
        let (digits, rest) = self.rest.split_once('}')?;
        self.rest = rest;
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let digits = digits.trim_start_matches('0');
        let code = if digits.is_empty() { 0 } else { u32::from_str_radix(digits, 16).ok()? };
        (is_number && code <= u32::from(char::MAX)).then_some(code)
    }

    fn literal(&mut self) {
        self.pop();
        self.has_operand = true;
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn pop(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next();
        self.rest = characters.as_str();
        character
    }

    /// Takes this text if it is next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes so many bytes, which end with a character.
    fn take_bytes(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

fn is_one_of(name: &str, names: &str) -> bool {
    names.split(' ').any(|known| known == name)
}
