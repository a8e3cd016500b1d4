//! XML for the answers of S3 and of the query protocol: elements with text and elements in them.

use std::fmt::{Display, Write};

/// A document, or the inside of an element, as it is written.
#[derive(Clone, Debug, Default)]
pub struct Xml(String);

impl Xml {
    /// A document with this root; AWS's answers name a space for their elements.
    pub fn document(root: &str, space: Option<&str>, fill: impl FnOnce(&mut Xml)) -> Xml {
        let mut xml = Xml(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        let space = space.map(|space| format!(" xmlns=\"{space}\"")).unwrap_or_default();
        let _ = write!(xml.0, "<{root}{space}>");
        fill(&mut xml);
        let _ = write!(xml.0, "</{root}>");
        xml
    }

    pub fn element(&mut self, name: &str, fill: impl FnOnce(&mut Xml)) -> &mut Xml {
        let _ = write!(self.0, "<{name}>");
        fill(self);
        let _ = write!(self.0, "</{name}>");
        self
    }

    pub fn text(&mut self, name: &str, value: impl Display) -> &mut Xml {
        let escaped = escape(&value.to_string());
        let _ = write!(self.0, "<{name}>{escaped}</{name}>");
        self
    }

    /// Nothing for none.
    pub fn optional(&mut self, name: &str, value: Option<impl Display>) -> &mut Xml {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// A list of the query protocol: `<NAME><member>…</member>…</NAME>`.
    pub fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        one: impl Fn(&mut Xml, T),
    ) -> &mut Xml {
        self.element(name, |list| {
            for item in items {
                list.element("member", |member| one(member, item));
            }
        })
    }

    /// A list of texts.
    pub fn texts<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) -> &mut Xml {
        self.element(name, |list| {
            for item in items {
                list.text("member", item);
            }
        })
    }

    /// XML that is whole already.
    pub fn raw(&mut self, xml: &str) -> &mut Xml {
        self.0.push_str(xml);
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

/// What XML cannot hold is written as the number of its character, as S3 does.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let xml = Xml::document("R", Some("urn:x"), |xml| {
            xml.text("A", "a<b>&\"\r\u{1}").optional("None", None::<&str>).optional("Some", Some(1));
            xml.members("List", ["x"], |member, item| {
                member.text("Name", item);
            });
            xml.texts("Texts", ["y", "z"]).element("Empty", |_| {});
        });
        let expect = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R xmlns=\"urn:x\"><A>a&lt;b&gt;&amp;&quot;&#13;&#1;</A><Some>1</Some>\
            <List><member><Name>x</Name></member></List><Texts><member>y</member><member>z</member></Texts><Empty></Empty></R>";
        assert_eq!(xml.finish(), expect);
    }
}
