//! Physical names, ids and ARNs, as functions of the stack and the logical id.
//!
//! AWS adds a random suffix to a name it makes up. Here a made-up name is `<stack>-<LogicalId>` and an id is a hash:
//! applying a template twice must find the same things, and everything can be known before it exists.

use aws_protocol::Home;

use crate::scope::{PARTITION, Site};

/// AWS's limit of a stack's name.
const STACK_NAME_MAX: usize = 128;
const ID_LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A name for a resource that the template does not name. One that would be too long keeps its beginning and ends in a
/// hash of the whole, so that two long names stay two.
pub(crate) fn derived(site: &Site, logical_id: &str, length_max: usize) -> String {
    let name = format!("{}-{logical_id}", site.stack_name);
    if name.len() <= length_max {
        return name;
    }
    let hash = id(&name, 8);
    // Both parts are ASCII, so any cut is at a character.
    format!("{}-{hash}", &name[..length_max - hash.len() - 1])
}

/// Whether AWS would take this as a stack's name.
pub(crate) fn is_stack_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= STACK_NAME_MAX
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// A stack's name from a folder's: what AWS does not allow becomes a hyphen.
pub fn stack_name_of(folder: &str) -> String {
    let clean: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let clean = clean.trim_matches('-');
    let name = match clean.chars().next() {
        None => "stack".to_owned(),
        Some(first) if first.is_ascii_alphabetic() => clean.to_owned(),
        Some(_) => format!("stack-{clean}"),
    };
    name.chars().take(STACK_NAME_MAX).collect()
}

/// An ARN of this stack's account and region.
pub(crate) fn arn(site: &Site, service: &str, resource: &str) -> String {
    site.home.arn(service, resource)
}

/// An ARN of IAM, which knows no region.
pub(crate) fn iam_arn(site: &Site, resource: &str) -> String {
    format!("arn:{PARTITION}:iam::{}:{resource}", site.home.account)
}

/// The UUID AWS would make up.
pub(crate) fn made_up_uuid(site: &Site, logical_id: &str) -> String {
    uuid(&format!("{}/{logical_id}", site.stack_name))
}

fn uuid(text: &str) -> String {
    let hex = format!("{:016x}{:016x}", hash(text), hash(&format!("{text}/id")));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

pub(crate) fn stack_id(site: &Site) -> String {
    stack_id_of(&site.home, &site.stack_name)
}

pub(crate) fn stack_id_of(home: &Home, stack_name: &str) -> String {
    home.arn("cloudformation", &format!("stack/{stack_name}/{}", uuid(stack_name)))
}

/// The id AWS would make up for a part of API Gateway: lower-case letters and digits.
pub(crate) fn made_up_id(site: &Site, logical_id: &str, length: usize) -> String {
    id(&format!("{}/{}/{}/{logical_id}", site.home.account, site.home.region, site.stack_name), length)
}

fn id(text: &str, length: usize) -> String {
    let mut rest = hash(text);
    let mut letters = Vec::new();
    for _ in 0..length {
        letters.push(char::from(ID_LETTERS[(rest % 36) as usize]));
        rest /= 36;
    }
    letters.into_iter().collect()
}

/// FNV-1a, written out because an id must stay the same in every build and version.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use aws_protocol::Home;

    use super::*;

    #[test]
    fn a_folder_gives_a_stack_name_that_aws_takes() {
        for (folder, expect) in
            [("travel", "travel"), ("my_app.v2", "my-app-v2"), ("2024", "stack-2024"), ("...", "stack"), ("é", "stack")]
        {
            assert_eq!(stack_name_of(folder), expect, "{folder}");
            assert!(is_stack_name(expect), "{expect}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_stays_unique_and_stable() {
        let site = Site {
            home: Home::default(),
            stack_name: "s".repeat(60),
            assets: Default::default(),
            imports: Default::default(),
            depth: 0,
            outside: Default::default(),
            is_remote: false,
        };
        let (a, b) = (derived(&site, "ReserveHotel", 64), derived(&site, "ReserveFlight", 64));
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
        assert_eq!(a, derived(&site, "ReserveHotel", 64));
        assert_eq!(derived(&site, "A", 64).len(), 62);
    }
}
