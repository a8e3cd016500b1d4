//! Addresses of AWS that a template puts into a function's environment (`!Ref Queue`, `!Sub https://${Api}.execute-api...`),
//! and where the same things are here. The template, and what is told of a function, keep AWS's.

/// Which parts of a text are replaced.
pub struct Here<'a> {
    /// `http://HOST:PORT`, without a final slash.
    pub endpoint: &'a str,
    /// Queues are here, not at an endpoint of the user's.
    pub has_queues: bool,
    pub has_api: &'a dyn Fn(&str) -> bool,
}

const SCHEME: &str = "https://";
const DOMAIN: &str = ".amazonaws.com";

impl Here<'_> {
    /// The text with every address of AWS that is served here replaced.
    pub fn localise(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(SCHEME) {
            let address = &rest[start + SCHEME.len()..];
            let end = address.find(|c: char| !(c.is_ascii_alphanumeric() || "-.".contains(c))).unwrap_or(address.len());
            out.push_str(&rest[..start]);
            match self.replacement(&address[..end]) {
                Some(here) => out.push_str(&here),
                None => {
                    out.push_str(SCHEME);
                    out.push_str(&address[..end]);
                }
            }
            rest = &address[end..];
        }
        out + rest
    }

    fn replacement(&self, host: &str) -> Option<String> {
        if let Some((url, domain)) = host.split_once(".lambda-url.") {
            let is_here = domain.ends_with(".on.aws") && (self.has_api)(url);
            return is_here.then(|| format!("{}/_aws/lambda-url/{url}", self.endpoint));
        }
        let mut parts = host.strip_suffix(DOMAIN)?.split('.');
        match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("sqs", _region, None, _) if self.has_queues => Some(self.endpoint.to_owned()),
            (api, "execute-api", Some(_region), None) if (self.has_api)(api) => {
                Some(format!("{}/_aws/execute-api/{api}", self.endpoint))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_aws() {
        let has_api = |id: &str| id == "abc123";
        let here = Here { endpoint: "http://127.0.0.1:4566", has_queues: true, has_api: &has_api };
        for (text, expect) in [
            ("", ""),
            ("plain", "plain"),
            ("https://abc123.lambda-url.eu-west-1.on.aws/x", "http://127.0.0.1:4566/_aws/lambda-url/abc123/x"),
            ("https://other.lambda-url.eu-west-1.on.aws/", "https://other.lambda-url.eu-west-1.on.aws/"),
            ("https://sqs.us-east-1.amazonaws.com/000000000000/work", "http://127.0.0.1:4566/000000000000/work"),
            (
                "https://abc123.execute-api.eu-west-1.amazonaws.com/Prod/trips",
                "http://127.0.0.1:4566/_aws/execute-api/abc123/Prod/trips",
            ),
            (
                "a=https://sqs.us-east-1.amazonaws.com,b=https://abc123.execute-api.x.amazonaws.com",
                "a=http://127.0.0.1:4566,b=http://127.0.0.1:4566/_aws/execute-api/abc123",
            ),
            (
                "https://other.execute-api.eu-west-1.amazonaws.com/Prod",
                "https://other.execute-api.eu-west-1.amazonaws.com/Prod",
            ),
            ("https://sqs.us-east-1.amazonaws.com.example.org/x", "https://sqs.us-east-1.amazonaws.com.example.org/x"),
            ("https://example.org https://é", "https://example.org https://é"),
        ] {
            assert_eq!(here.localise(text), expect, "{text}");
        }
        let elsewhere = Here { has_queues: false, ..here };
        let queue = "https://sqs.us-east-1.amazonaws.com/000000000000/work";
        assert_eq!(elsewhere.localise(queue), queue);
    }
}
