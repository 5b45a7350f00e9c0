use super::*;

const SMALL: &str = "name = \"x\"\nsummary = \"y\"\n[[conversations]]\nkind = \"direct\"\n";

fn error(text: &str, settings: &[&str]) -> String {
    let settings: Vec<String> = settings.iter().map(|each| (*each).to_owned()).collect();
    read("x.toml", text, &settings).unwrap_err().to_string()
}

#[test]
fn every_bundled_scenario_reads_and_is_called_as_its_file() {
    for (name, text) in BUILTIN {
        let plan = read(name, text, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.name, *name);
        assert!(plan.summary.len() > 20, "{name}");
    }
}

#[test]
fn settings_are_put_in() {
    let settings = ["traffic.rate=7", "conversations.0.count=3", "seed=5", "hooks.a=echo hi"];
    let plan = read("x", SMALL, &settings.map(str::to_owned)).unwrap();
    assert_eq!((plan.traffic.rate, plan.conversations[0].count), (7.0, 3));
    assert_eq!((plan.seed, plan.hooks["a"].as_str()), (Some(5), "echo hi"));
}

#[test]
fn mistakes_are_named_with_their_place_and_what_would_be_right() {
    let unknown = error(&format!("{SMALL}membrs = 3\n"), &[]);
    assert!(unknown.contains("unknown field `membrs`") && unknown.contains("members"), "{unknown}");
    assert!(unknown.contains("line 5"), "{unknown}");
    let kind = error(&SMALL.replace("direct", "dirct"), &[]);
    assert!(kind.contains("unknown variant `dirct`") && kind.contains("direct"), "{kind}");
    let text = error(&format!("{SMALL}[traffic]\nrate = \"fast\"\n"), &[]);
    assert!(text.contains("line 6") && text.contains("expected f64"), "{text}");
    let missing = error("summary = \"y\"\n", &[]);
    assert!(missing.contains("missing field `name`"), "{missing}");
    let set = error(SMALL, &["traffic.rat=1"]);
    assert!(set.contains("--set traffic.rat=1") && set.contains("unknown field `rat`"), "{set}");
    assert!(error(SMALL, &["rate"]).contains("no KEY=VALUE"));
    let list = error(SMALL, &["conversations.count=1"]);
    assert!(list.contains("conversations.0.KEY"), "{list}");
}

#[test]
fn what_cannot_be_is_told_all_at_once() {
    let text = "name = \"x\"\nsummary = \"y\"\n[server]\ndatabase_nodes = 2\n\
                [[conversations]]\nkind = \"group\"\nmembers = 5000\nsenders = 0\n\
                [[events]]\nat_s = 100.0\naction = \"flush_redis\"\nshare = 2.0\n\
                [thresholds]\nsustained_stage = \"z\"\n";
    let said = error(text, &[]);
    for part in [
        "server.database_nodes is 2",
        "0 senders of 5000 members",
        "take a channel",
        "at_s is 100",
        "flush_redis needs server.services",
        "share is 2",
        "no stage is called \"z\"",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let nobody = error("name = \"x\"\nsummary = \"y\"\n", &[]);
    assert!(nobody.contains("nobody connects"), "{nobody}");
}

#[test]
fn a_name_that_is_nearly_right_is_helped() {
    let said = |name: &str| read_file_or_builtin(name, &[]).unwrap_err().to_string();
    assert!(said("kil-node").contains("did you mean kill-node?"));
    for name in ["nothing-like-it", "nope"] {
        assert!(said(name).contains("there are idle, direct"));
    }
}

#[test]
fn scaling_changes_people_and_not_rates() {
    let mut plan = read_file_or_builtin("celebrity", &[]).unwrap();
    plan.scale(0.01);
    assert_eq!((plan.conversations[0].members, plan.conversations[1].count), (1_001, 20));
    assert_eq!((plan.traffic.rate, plan.connections()), (42.0, 1_041));
    let mut plan = read_file_or_builtin("idle", &[]).unwrap();
    plan.scale(0.5);
    assert_eq!(plan.silent.connections, 5_000);
}

#[test]
fn a_plan_survives_being_written_into_a_report() {
    for (name, text) in BUILTIN {
        let plan = read(name, text, &[]).unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}
