//! Another scanner, from Python's registry, in an environment of the tests' own.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use cluster::{Lines, provide_packages};
use e2e::{Environment, run};
use serde_json::Value;

use super::plugin::Accepted;

/// Pinned: another release knows other suites.
const RELEASE: &str = "sslyze==6.3.1";

/// The scanner, installed.
pub struct Sslyze {
    folder: PathBuf,
}

impl Sslyze {
    /// Installs it where it is missing.
    pub fn provide() -> Self {
        provide_packages(&["python3", "python3-venv"], &Lines).expect("Debian's Python");
        let folder = Environment::get().cluster().state().join("sslyze");
        if !folder.join("bin/sslyze").exists() {
            let mut venv = Command::new("/usr/bin/python3");
            run(venv.args(["-m", "venv"]).arg(&folder));
            let mut pip = Command::new(folder.join("bin/pip"));
            run(pip.args(["install", "--quiet", "--disable-pip-version-check", RELEASE]));
        }
        Self { folder }
    }

    /// What a server accepts.
    pub fn scan(&self, address: &str) -> Accepted {
        let output = self.folder.join("scan.json");
        let mut command = Command::new(self.folder.join("bin/sslyze"));
        command.args(["--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--sslv3"]);
        command.arg(format!("--json_out={}", output.display()));
        // It ends with an error where a server is not to its liking, and has told all the same.
        command.arg(address).output().expect("sslyze starts");
        let report: Value = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
        let results = &report["server_scan_results"][0]["scan_result"];
        let versions = [
            ("SSL 3.0", "ssl_3_0_cipher_suites"),
            ("TLS 1.0", "tls_1_0_cipher_suites"),
            ("TLS 1.1", "tls_1_1_cipher_suites"),
            ("TLS 1.2", "tls_1_2_cipher_suites"),
            ("TLS 1.3", "tls_1_3_cipher_suites"),
        ];
        versions
            .into_iter()
            .map(|(version, key)| (version.to_owned(), suites(&results[key]["result"])))
            .filter(|(_, suites)| !suites.is_empty())
            .collect()
    }
}

fn suites(result: &Value) -> BTreeSet<String> {
    let accepted = result["accepted_cipher_suites"].as_array();
    let accepted = accepted
        .unwrap_or_else(|| panic!("no result: {result}"))
        .iter();
    accepted
        .map(|it| it["cipher_suite"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Suites that one of the two does not offer, by what their names contain, and why.
const ONE_SIDED: [(&str, &str); 2] = [
    (
        "_CCM",
        "sslyze 6.3.1 offers no suites of AES-CCM before TLS 1.3",
    ),
    ("_ARIA_", "sslyze 6.3.1 offers no suites of ARIA"),
];

/// Compares version by version, without what one side does not offer.
pub fn assert_same(ours: &Accepted, theirs: &Accepted) {
    let compared = |accepted: &Accepted| -> Accepted {
        let versions = accepted.iter().map(|(version, suites)| {
            let common = suites.iter().filter(|suite| !is_one_sided(suite));
            (version.clone(), common.cloned().collect())
        });
        versions.collect()
    };
    assert_eq!(compared(ours), compared(theirs));
}

fn is_one_sided(suite: &str) -> bool {
    ONE_SIDED.iter().any(|(part, _)| suite.contains(part))
}
