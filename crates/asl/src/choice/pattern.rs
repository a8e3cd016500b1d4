//! Patterns of `StringMatches`: `*` stands for any text, `\*` for a star, `\\` for a backslash.

/// The texts between the stars; none of them when the pattern has no star.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    first: String,
    /// What follows each star.
    rest: Vec<String>,
}

impl Pattern {
    /// Every text is a pattern: a backslash before anything else stands for itself.
    pub(super) fn parse(text: &str) -> Pattern {
        let mut pieces = Vec::new();
        let mut current = String::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '*' => pieces.push(std::mem::take(&mut current)),
                '\\' => current.push(chars.next_if(|next| matches!(next, '*' | '\\')).unwrap_or('\\')),
                char => current.push(char),
            }
        }
        pieces.push(current);
        let mut pieces = pieces.into_iter();
        Pattern { first: pieces.next().unwrap_or_default(), rest: pieces.collect() }
    }

    /// Takes every piece at its first place, which leaves most for those behind it: never backtracks.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, between)) = self.rest.split_last() else {
            return text == self.first;
        };
        let Some(mut text) = text.strip_prefix(&*self.first) else { return false };
        for piece in between {
            let Some((_, behind)) = text.split_once(&**piece) else { return false };
            text = behind;
        }
        text.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_texts() {
        let rows = [
            ("log-*.txt", "log-2.txt", true),
            ("log-*.txt", "log-.txt", true),
            ("log-*.txt", "log-2.txt.gz", false),
            ("*", "", true),
            ("**", "anything", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab", "aab", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
            ("", "", true),
            ("", "x", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*", r"a\b", true),
            (r"a\b", r"a\b", true),
            ("é*", "école", true),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(Pattern::parse(pattern).matches(text), expected, "{pattern} against {text}");
        }
    }
}
