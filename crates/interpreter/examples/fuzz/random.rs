//! Chance from a seed, and what to do with it.

use asl::scope::Entropy;

pub struct Random(Entropy);

impl Random {
    /// Different for each target and case.
    pub fn of(seed: u64, target: u64, case: u64) -> Random {
        let mix = Entropy::new(seed ^ target.rotate_left(32));
        Random(Entropy::new(mix.next() ^ case.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    pub fn number(&mut self) -> u64 {
        self.0.next()
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.0.next() % end.max(1) as u64) as usize
    }

    /// In so many of a hundred cases.
    pub fn is(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of_list<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }

    /// One word of a text of words. `_` stands for a space in it.
    pub fn word(&mut self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.of_list(&words).replace('_', " ")
    }

    /// Cuts, repeats, exchanges and damages pieces of a text.
    pub fn mutated(&mut self, text: &str, words: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(3) {
            let at = self.boundary(&text);
            let end = (at + self.below(12)).min(text.len());
            let end = text.ceil_char_boundary(end);
            match self.below(6) {
                0 => text.replace_range(at..end, ""),
                1 => text.insert_str(at, &self.word(words)),
                2 => {
                    let piece = text[at..end].repeat(self.below(4));
                    text.insert_str(at, &piece);
                }
                3 => {
                    let to = self.boundary(&text);
                    let piece = text[at..end].to_owned();
                    text.insert_str(to, &piece);
                }
                4 => text.insert(at, *self.of_list(&['"', '\\', '\0', '\u{7f}', 'é', '\u{1F600}', '{', '[', '(', '$'])),
                _ => text.truncate(at),
            }
        }
        text
    }

    fn boundary(&mut self, text: &str) -> usize {
        let at = self.below(text.len() + 1);
        text.floor_char_boundary(at)
    }
}
