//! The structure, held: who imports whom, files one can hold in the head, names that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Code less what stands in its test modules, which may reach further.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}

/// Rooms of `actors`, upstream first: each may import those after it, and no others.
const ROOMS: [&str; 14] = [
    "scheduling",
    "node",
    "supervisor",
    "inbox",
    "connection",
    "session",
    "presence",
    "conversation",
    "personal",
    "sequencer",
    "committer",
    "peers",
    "ports",
    "monitor",
];

#[test]
fn imports_between_rooms_flow_one_way() {
    let mut broken = BTreeSet::new();
    for (rank, room) in ROOMS.iter().enumerate() {
        for path in files_below(&format!("actors/src/{room}"), ".rs") {
            if path.to_string_lossy().ends_with("tests.rs") {
                continue;
            }
            let text = code(&path);
            for upstream in &ROOMS[..rank] {
                if text.contains(&format!("crate::{upstream}::")) {
                    broken.insert(format!("{} names {upstream}", relative(&path)));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn crates_know_only_what_lies_below_them() {
    let forbidden: [(&str, &[&str]); 3] = [
        ("schema/src", &["actix", "tokio", "rusqlite", "redis::", "scylla", "reqwest", "actors::"]),
        (
            "actors/src",
            &["rusqlite", "redis::", "scylla", "use switchboard", "use config", "reqwest"],
        ),
        ("loadtest/src", &["use actors", "actors::", "use switchboard::", "actix", "rusqlite"]),
    ];
    let mut broken = BTreeSet::new();
    for (folder, names) in forbidden {
        for path in files_below(folder, ".rs") {
            let lines = code(&path);
            let uses = lines.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in uses {
                for name in names.iter().filter(|name| line.contains(**name)) {
                    broken.insert(format!("{}: {name}: {}", relative(&path), line.trim()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn one_file_names_actix_web_actors_and_one_permits_do_send() {
    let names = |needle: &str| -> Vec<String> {
        let all = ["actors/src", "src"].into_iter().flat_map(|it| files_below(it, ".rs"));
        all.filter(|path| {
            let text = code(path);
            text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(needle))
        })
        .map(|path| relative(&path))
        .collect()
    };
    assert_eq!(names("actix_web_actors"), ["actors/src/connection/actor.rs"]);
    assert_eq!(names(".do_send("), ["actors/src/monitor/death_notice.rs"]);
    assert_eq!(names("ChaCha"), Vec::<String>::new(), "randomness of the simulator stays in sim");
}

#[test]
fn pure_files_know_nothing_of_actix() {
    for path in [
        "actors/src/committer/core.rs",
        "actors/src/committer/batch.rs",
        "actors/src/sequencer/core.rs",
        "actors/src/sequencer/dedupe.rs",
        "actors/src/sequencer/turns.rs",
        "actors/src/sequencer/forwarding.rs",
        "actors/src/peers/batches.rs",
        "actors/src/peers/followers.rs",
        "actors/src/peers/following.rs",
        "actors/src/peers/outgoing.rs",
        "actors/src/peers/recent_heads.rs",
        "actors/src/conversation/gap.rs",
        "actors/src/conversation/recent.rs",
        "actors/src/conversation/roster.rs",
        "actors/src/session/cursor.rs",
        "actors/src/session/positions.rs",
        "actors/src/connection/phase.rs",
        "actors/src/connection/assembler.rs",
        "src/gateway/handshake.rs",
    ] {
        let text = code(&root().join(path));
        assert!(!text.contains("use actix::"), "{path}");
        assert!(!text.contains("async fn"), "{path}");
    }
}

/// Lines of the longest file: it may only go down.
const LINES_MAX: usize = 630;

#[test]
fn files_can_be_held_in_the_head() {
    let all = ["schema/src", "actors/src", "src", "loadtest/src"];
    let mut counts: Vec<(usize, String)> = all
        .into_iter()
        .flat_map(|folder| files_below(folder, ".rs"))
        .map(|path| (fs::read_to_string(&path).unwrap().lines().count(), relative(&path)))
        .collect();
    counts.sort();
    let (longest, name) = counts.last().unwrap();
    assert!(*longest <= LINES_MAX, "{name} has {longest} lines");
    let long = counts.iter().filter(|(lines, _)| *lines > 300).count();
    assert!(long * 5 <= counts.len(), "{long} of {} files above 300 lines", counts.len());
}

#[test]
fn documents_name_paths_that_exist() {
    let mut documents: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .into_iter()
        .map(|name| root().join(name))
        .collect();
    documents.extend(files_below("docs", ".md"));
    let folders = [
        "src/",
        "actors/",
        "schema/",
        "loadtest/",
        "clients/",
        "tests/",
        "benches/",
        "docs/",
        "scripts/",
        "deploy/",
    ];
    let mut missing = BTreeSet::new();
    for document in documents {
        let text = fs::read_to_string(&document)
            .unwrap_or_else(|error| panic!("{}: {error}", document.display()));
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.split(['#', ':']).next().unwrap_or_default();
            let looks_like_one = folders.iter().any(|folder| path.starts_with(folder))
                && !path.contains([' ', '*', '{', '…', '<']);
            if looks_like_one && !root().join(path).exists() {
                missing.insert(format!("{}: {path}", relative(&document)));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_error_and_close_code_is_documented() {
    let protocol = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    for code in schema::wire::ErrorCode::ALL {
        assert!(protocol.contains(&format!("`{code}`")), "{code} is not in docs/protocol.md");
    }
    for code in schema::wire::CloseCode::ALL {
        let number = code.code().to_string();
        assert!(protocol.contains(&number) && protocol.contains(code.name()), "{code:?}");
    }
}
