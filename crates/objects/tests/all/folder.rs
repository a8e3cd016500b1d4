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
fn what_a_killed_process_left_goes() {
    let scratch = Scratch::of(&[("b/a", b"x"), ("b/.ithaca-unfinished-1-1", b"x"), ("b/.ithaca-unfinished-1-2", b"x")]);
    let set = |name: &str, seconds: u64| {
        let at = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(scratch.path().join(name)).unwrap().set_modified(at).unwrap();
    };
    set("b/a", 7200);
    set("b/.ithaca-unfinished-1-1", 7200);
    set("b/.ithaca-unfinished-1-2", 60);
    scratch.folder().sweep();
    let is_there = |name: &str| scratch.path().join(name).exists();
    assert!(is_there("b/a") && is_there("b/.ithaca-unfinished-1-2") && !is_there("b/.ithaca-unfinished-1-1"));
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
    for bucket in ["..", ".", "", "b/..", "b\0", ".ithaca"] {
        check(bucket, "a", Some("InvalidBucketName"));
    }
    check("b", "", None);
    assert!(folder.put(&Address::new("b", ""), "x".into(), "").is_err());
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

/// S3 takes every key; those that are no paths lie apart, and none of them reaches another file.
#[test]
fn keys_that_are_no_paths() {
    let scratch = Scratch::of(&[("b/a", b"x"), ("b/f/g", b"y"), ("secret", b"s")]);
    let folder = scratch.folder();
    let long = format!("{}/end", "k".repeat(300));
    let keys = [
        "../secret",
        "..",
        "a/../../secret",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a\0",
        ".ithaca-unfinished-1",
        "../.ithaca/about",
        "a/b",
        "a/b/c",
        "f",
        &long,
    ];
    let list = || -> Vec<String> {
        let listing = Listing { bucket: "b".into(), ..Listing::default() };
        folder.list(&listing).unwrap().map(|entry| entry.unwrap().key).collect()
    };
    for key in keys {
        let address = Address::new("b", key);
        assert_eq!(folder.get(&address).map(drop).unwrap_err().code(), Some("NoSuchKey"), "{key}");
        for text in ["first", "second"] {
            folder.put(&address, text.into(), "text/plain").unwrap();
            let (mut file, about) = folder.read(&address).unwrap();
            let mut read = String::new();
            file.read_to_string(&mut read).unwrap();
            assert_eq!((read.as_str(), about.said.headers["content-type"].as_str()), (text, "text/plain"), "{key}");
        }
    }
    let mut expect: Vec<&str> = keys.iter().copied().chain(["a", "f/g"]).collect();
    expect.sort_unstable();
    assert_eq!(list(), expect);
    assert_eq!(std::fs::read_to_string(scratch.path().join("secret")).unwrap(), "s");
    assert_eq!(std::fs::read_to_string(scratch.path().join("b/a")).unwrap(), "x");
    assert_eq!(folder.delete_bucket("b").unwrap_err().code(), Some("BucketNotEmpty"));
    for key in expect {
        folder.delete(&Address::new("b", key)).unwrap();
    }
    assert_eq!(list(), [""; 0]);
    // What lay apart is a file once its path is free.
    folder.put(&Address::new("b", "f"), "z".into(), "").unwrap();
    assert_eq!(std::fs::read_to_string(scratch.path().join("b/f")).unwrap(), "z");
    folder.delete(&Address::new("b", "f")).unwrap();
    folder.delete_bucket("b").unwrap();
    assert!(folder.buckets().unwrap().is_empty());
}

/// A note is of a content: one that was changed by hand has none, one that was copied keeps it.
#[test]
fn notes_are_of_their_content() {
    let scratch = Scratch::of(&[("b/other", b"x")]);
    let folder = scratch.folder();
    let path = scratch.path().join("b/a");
    let about = || {
        let about = folder.read(&Address::new("b", "a")).unwrap().1;
        (about.etag, about.said.headers.get("content-type").cloned())
    };
    let written = (format!("\"{}\"", "0cc175b9c0f1b6a831c399e269772661"), Some("text/plain".to_owned()));
    folder.put(&Address::new("b", "a"), "a".into(), "text/plain").unwrap();
    assert_eq!(about(), written);
    let times = std::fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH);
    std::fs::File::options().append(true).open(&path).unwrap().set_times(times).unwrap();
    assert_eq!(about(), written);
    std::fs::write(&path, "b").unwrap();
    assert_eq!(about(), (format!("\"{}\"", "92eb5ffee6ae2fec3ad71c777531578f"), None));
}

#[test]
fn uploads_in_parts() {
    let scratch = Scratch::of(&[("b/other", b"x")]);
    let folder = scratch.folder();
    let address = Address::new("b", "whole");
    let id = folder.begin_upload(&address, objects::Said::default()).unwrap().id;
    let put = |number: u32, bytes: &[u8]| {
        let mut part = folder.begin("b").unwrap();
        part.write(bytes).unwrap();
        folder.put_part(&address, &id, number, part)
    };
    let large = vec![b'p'; 5 << 20];
    put(1, b"replaced").unwrap();
    let first = put(1, &large).unwrap();
    let second = put(2, b"end").unwrap();
    assert_eq!(put(0, b"").unwrap_err().code(), Some("InvalidPartNumber"));
    let check = |wanted: &[(u32, &str)], code: &str| {
        let wanted: Vec<(u32, String)> = wanted.iter().map(|(number, etag)| (*number, (*etag).to_owned())).collect();
        assert_eq!(folder.assemble(&address, &id, &wanted, &mut |_| {}).map(drop).unwrap_err().code(), Some(code));
    };
    check(&[(2, &second), (1, &first)], "InvalidPartOrder");
    check(&[(1, &first), (3, &second)], "InvalidPart");
    check(&[(1, &second)], "InvalidPart");
    let mut seen = 0;
    let wanted = [(1, first), (2, format!("\"{second}\""))];
    let (whole, etag) = folder.assemble(&address, &id, &wanted, &mut |bytes| seen += bytes.len()).unwrap();
    let about = folder.finish(&address, whole, Some(etag), objects::Said::default(), true).unwrap();
    assert_eq!((about.size, seen), ((5 << 20) + 3, (5 << 20) + 3));
    assert!(about.etag.ends_with("-2\""), "{}", about.etag);
    assert_eq!(folder.uploads("b").unwrap().len(), 1);
    folder.forget_upload(&address, &id).unwrap();
    assert_eq!(folder.upload(&address, &id).unwrap_err().code(), Some("NoSuchUpload"));
    assert_eq!(folder.upload(&address, "../../..").unwrap_err().code(), Some("NoSuchUpload"));
    let again = folder.begin("b").unwrap();
    let refused = folder.finish(&address, again, None, objects::Said::default(), true).unwrap_err();
    assert_eq!(refused.code(), Some("PreconditionFailed"));
    let left = std::fs::read_dir(scratch.path().join("b")).unwrap().count();
    assert_eq!(left, 2, "nothing unfinished is left");
}
