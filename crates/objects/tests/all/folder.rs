//! A folder as an object store.

use std::io::Read;

use objects::{Address, Listing, ObjectStore};

use crate::support::Scratch;

#[test]
fn objects_are_files() {
    let scratch = Scratch::of(&[("b/a", b"old")]);
    let folder = scratch.folder();
    let get = |key: &str| {
        let mut text = String::new();
        folder.get(&Address::new("b", key)).unwrap().body.read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(get("a"), "old");
    for (key, body) in [("a", "new"), ("deep/er/b", "x")] {
        folder.put(&Address::new("b", key), body.into(), "text/plain").unwrap();
        assert_eq!(get(key), body);
    }
    assert_eq!(std::fs::read_dir(scratch.path().join("b/deep/er")).unwrap().count(), 1, "nothing unfinished is left");
    for key in ["a", "a", "never", "deep", "deep/er/b/c"] {
        folder.delete(&Address::new("b", key)).unwrap();
    }
    assert_eq!(folder.get(&Address::new("b", "a")).map(drop).unwrap_err().code(), Some("NoSuchKey"));
    assert_eq!(get("deep/er/b"), "x");
    for _ in 0..2 {
        folder.create_bucket("new").unwrap();
    }
    folder.put(&Address::new("new", "k"), "x".into(), "").unwrap();
    assert_eq!(folder.create_bucket("../out").unwrap_err().code(), Some("InvalidBucketName"));
    assert_eq!(folder.delete(&Address::new("c", "a")).unwrap_err().code(), Some("NoSuchBucket"));
}

/// A process that was killed leaves what it had not finished, and in a container the next one has its id.
#[test]
fn what_a_killed_process_left_is_in_nobodys_way() {
    let scratch = Scratch::of(&[("b/a", b"old")]);
    for number in 0..1000 {
        let left = format!("b/.ithaca-unfinished-{}-{number}", std::process::id());
        std::fs::write(scratch.path().join(left), "le").unwrap();
    }
    scratch.folder().put(&Address::new("b", "a"), "new".into(), "text/plain").unwrap();
    assert_eq!(std::fs::read_to_string(scratch.path().join("b/a")).unwrap(), "new");
}

#[test]
fn refusals() {
    let scratch = Scratch::of(&[("b/a", b"x"), ("secret", b"s")]);
    let folder = scratch.folder();
    let check = |bucket: &str, key: &str, code: Option<&str>| {
        let address = Address::new(bucket, key);
        let got = folder.get(&address).map(drop).unwrap_err();
        assert_eq!(got.code(), code, "{bucket} {key}: {got}");
    };
    check("b", "x", Some("NoSuchKey"));
    check("b", "a/x", Some("NoSuchKey"));
    check("c", "x", Some("NoSuchBucket"));
    check("secret", "x", Some("NoSuchBucket"));
    for bucket in ["..", ".", "", "b/..", "b\0"] {
        check(bucket, "a", Some("InvalidBucketName"));
    }
    for key in
        ["../secret", "..", "a/../../secret", "/etc/passwd", "", "a//b", "a/", "./a", "a\0", ".ithaca-unfinished-1"]
    {
        check("b", key, None);
        assert!(folder.put(&Address::new("b", key), "x".into(), "").is_err(), "{key}");
    }
    check("b", &"k".repeat(1025), Some("KeyTooLongError"));
    assert_eq!(folder.put(&Address::new("c", "k"), "x".into(), "").unwrap_err().code(), Some("NoSuchBucket"));
    let version = Address { version_id: Some("1".into()), ..Address::new("b", "a") };
    assert!(folder.get(&version).is_err());
    assert!(objects::Folder::open(scratch.path().join("none")).is_err());
}

#[test]
fn listings_ascend_by_the_bytes_of_the_keys() {
    let scratch = Scratch::of(&[
        ("b/a/z", b"1"),
        ("b/a-b", b"2"),
        ("b/a.txt", b"3"),
        ("b/a0", b"4"),
        ("b/a/b/c", b"5"),
        ("b/B", b"6"),
        ("b/.ithaca-unfinished-1-1", b"7"),
    ]);
    std::fs::create_dir_all(scratch.path().join("b/empty")).unwrap();
    std::os::unix::fs::symlink(scratch.path(), scratch.path().join("b/loop")).unwrap();
    let folder = scratch.folder();
    let check = |prefix: &str, start_after: &str, expect: &[&str]| {
        let listing = Listing {
            bucket: "b".into(),
            prefix: prefix.into(),
            start_after: start_after.into(),
            ..Listing::default()
        };
        let keys: Vec<String> = folder.list(&listing).unwrap().map(|entry| entry.unwrap().key).collect();
        assert_eq!(keys, expect, "{prefix} {start_after}");
    };
    let all = ["B", "a-b", "a.txt", "a/b/c", "a/z", "a0"];
    check("", "", &all);
    for (at, key) in all.iter().enumerate() {
        check("", key, &all[at + 1..]);
    }
    check("a/", "", &["a/b/c", "a/z"]);
    check("a/b", "", &["a/b/c"]);
    check("a/", "a/b", &["a/b/c", "a/z"]);
    check("a", "a/c", &["a/z", "a0"]);
    check("x", "", &[]);
    let unknown = Listing { bucket: "c".into(), ..Listing::default() };
    assert_eq!(folder.list(&unknown).map(drop).unwrap_err().code(), Some("NoSuchBucket"));
}
