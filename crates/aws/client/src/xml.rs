//! Just enough XML for the answers of AWS: elements with text, no more. Attributes, comments and declarations are passed
//! over; a document type, which AWS never sends, is refused.

/// A piece of a document.
#[derive(Debug, PartialEq, Eq)]
enum Event<'a> {
    Open(&'a str),
    Close(&'a str),
    /// Unescaped.
    Text(String),
}

struct Events<'a> {
    rest: &'a str,
    /// The end of an element that closes itself.
    pending: Option<&'a str>,
}

fn events(text: &str) -> Events<'_> {
    Events { rest: text, pending: None }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, String>;

    fn next(&mut self) -> Option<Result<Event<'a>, String>> {
        if let Some(name) = self.pending.take() {
            return Some(Ok(Event::Close(name)));
        }
        while !self.rest.is_empty() {
            let Some(markup) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(unescape(text).map(Event::Text));
            };
            let (end, skipped) = match markup {
                _ if markup.starts_with("!--") => ("-->", true),
                _ if markup.starts_with('?') => ("?>", true),
                _ if markup.starts_with('!') => return self.fail("a document type or CDATA"),
                _ => (">", false),
            };
            let Some(at) = markup.find(end) else { return self.fail("markup without an end") };
            self.rest = &markup[at + end.len()..];
            if !skipped {
                return Some(Ok(self.tag(&markup[..at])));
            }
        }
        None
    }
}

impl<'a> Events<'a> {
    /// From what stands between the angle brackets.
    fn tag(&mut self, tag: &'a str) -> Event<'a> {
        if let Some(name) = tag.strip_prefix('/') {
            return Event::Close(name.trim());
        }
        let name = tag.split([' ', '\t', '\r', '\n', '/']).next().unwrap_or_default();
        if tag.ends_with('/') {
            self.pending = Some(name);
        }
        Event::Open(name)
    }

    fn fail(&mut self, found: &str) -> Option<Result<Event<'a>, String>> {
        self.rest = "";
        Some(Err(format!("its XML has {found}")))
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let end = rest[at..].find(';').ok_or("its XML has an & that begins nothing")?;
        let name = &rest[at + 1..at + end];
        out.push(entity(name).ok_or_else(|| format!("its XML has the unknown &{name};"))?);
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// The texts of the elements directly below a parent, for each parent of this name: `("Contents", ["Key" ...])` gives
/// one list of texts for each object of a listing.
pub fn records<const N: usize>(
    text: &str,
    parent: &str,
    members: [&str; N],
) -> Result<Vec<[Option<String>; N]>, String> {
    let mut found = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut open: Option<(usize, [Option<String>; N])> = None;
    for event in events(text) {
        match event? {
            Event::Open(name) => {
                path.push(name);
                if name == parent && open.is_none() {
                    open = Some((path.len(), [const { None }; N]));
                } else if let Some((depth, record)) = &mut open
                    && path.len() == *depth + 1
                    && let Some(index) = members.iter().position(|member| *member == name)
                {
                    record[index] = Some(String::new());
                }
            }
            Event::Text(piece) => {
                if let Some((depth, record)) = &mut open
                    && path.len() == *depth + 1
                    && let Some(index) = members.iter().position(|member| path.last() == Some(member))
                {
                    record[index].get_or_insert_default().push_str(&piece);
                }
            }
            Event::Close(name) => {
                if path.pop() != Some(name) {
                    return Err(format!("its XML closes {name}, which is not open"));
                }
                if let Some((_, record)) = open.take_if(|(depth, _)| *depth == path.len() + 1) {
                    found.push(record);
                }
            }
        }
    }
    if path.is_empty() { Ok(found) } else { Err("its XML ends within an element".into()) }
}

/// Elements may nest so deep.
const DEPTH_MAX: usize = 64;

/// An element with what is in it. Text between children says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Without a prefix.
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

/// The root of a document.
pub fn tree(text: &str) -> Result<Element, String> {
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    for event in events(text) {
        match event? {
            Event::Open(_) if open.len() == DEPTH_MAX => return Err(format!("its XML is over {DEPTH_MAX} deep")),
            Event::Open(name) => {
                let name = name.rsplit(':').next().unwrap_or_default().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::Text(piece) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&piece);
                }
            }
            Event::Close(name) => {
                let closed = open.pop().filter(|element| Some(&*element.name) == name.rsplit(':').next());
                let closed = closed.ok_or_else(|| format!("its XML closes {name}, which is not open"))?;
                match open.last_mut() {
                    Some(parent) => parent.children.push(closed),
                    None => root = root.or(Some(closed)),
                }
            }
        }
    }
    match root {
        Some(root) if open.is_empty() => Ok(root),
        _ => Err("its XML ends within an element".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let check = |text: &str, expect: Result<(&str, Pairs<'_>), &str>| {
            let found = tree(text);
            let found = found.as_ref().map_err(String::as_str);
            let found = found.map(|root| {
                let children = root.children.iter().map(|child| (child.name.as_str(), child.text.as_str()));
                (root.name.as_str(), children.collect::<Vec<_>>())
            });
            assert_eq!(found, expect.map(|(name, children)| (name, children.to_vec())), "{text}");
        };
        check("<?xml version=\"1.0\"?><a:R x=\"1\"><K>a&lt;</K>\n<L/></a:R>", Ok(("R", &[("K", "a<"), ("L", "")])));
        check("<R/>", Ok(("R", &[])));
        check("", Err("its XML ends within an element"));
        check("<R></S>", Err("its XML closes S, which is not open"));
        check(&"<a>".repeat(65), Err("its XML is over 64 deep"));
    }

    #[test]
    fn records_of_documents() {
        let check = |text: &str, expect: Result<&[[Option<&str>; 2]], &str>| {
            let found = records(text, "C", ["K", "E"]);
            let found: Result<Vec<[Option<&str>; 2]>, &str> = match &found {
                Ok(records) => Ok(records.iter().map(|record| record.each_ref().map(Option::as_deref)).collect()),
                Err(reason) => Err(reason.as_str()),
            };
            assert_eq!(found, expect.map(<[_]>::to_vec), "{text}");
        };
        check(
            "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><C><K>a&amp;b</K><E>&quot;1&quot;</E></C><C><K>c</K></C></R>",
            Ok(&[[Some("a&b"), Some("\"1\"")], [Some("c"), None]]),
        );
        check("<C><O><K>deep</K></O><K/><E>&#65;&#x42;</E></C>", Ok(&[[Some(""), Some("AB")]]));
        check("<!-- <C> --><R></R>", Ok(&[]));
        check("", Ok(&[]));
        check("<C><K>a", Err("its XML ends within an element"));
        check("<C><K>a</C></K>", Err("its XML closes C, which is not open"));
        check("<C><K>&bomb;</K></C>", Err("its XML has the unknown &bomb;"));
        check("<!DOCTYPE x [<!ENTITY a \"b\">]><C/>", Err("its XML has a document type or CDATA"));
        check("<C", Err("its XML has markup without an end"));
        check("&", Err("its XML has an & that begins nothing"));
    }
}
