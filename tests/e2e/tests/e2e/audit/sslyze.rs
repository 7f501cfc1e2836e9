//! Another scanner, from Python's registry, in an environment of the tests' own.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use cluster::{Lines, provide_packages};
use e2e::{Environment, run};
use serde_json::Value;

use super::plugin::{Accepted, Told};

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

/// Suites that sslyze does not offer, by what their names contain.
const NOT_OFFERED_BY_SSLYZE: [&str; 2] = [
    // It offers AES-CCM in TLS 1.3 alone.
    "_CCM", "_ARIA_",
];

/// Compares version by version. What sslyze alone accepts, the plugin must have said that it could not
/// test: its OpenSSL was built without Camellia, triple DES and RC4, and says so. What the plugin alone
/// accepts, sslyze does not offer.
pub fn assert_same(ours: &Told, theirs: &Accepted) {
    let accepted = ours.accepted("TLS").unwrap();
    let gaps = ours.gaps().join(" ");
    let versions = |accepted: &Accepted| accepted.keys().cloned().collect::<Vec<_>>();
    assert_eq!(versions(&accepted), versions(theirs));
    for (version, of_theirs) in theirs {
        let of_ours = &accepted[version];
        let ours_alone = of_ours.difference(of_theirs);
        let offered = ours_alone.filter(|suite| is_offered_by_sslyze(suite));
        assert_eq!(
            offered.collect::<Vec<_>>(),
            [""; 0],
            "{version}: ours alone"
        );
        let theirs_alone = of_theirs.difference(of_ours);
        let untold = theirs_alone.filter(|suite| !gaps.contains(suite.as_str()));
        assert_eq!(
            untold.collect::<Vec<_>>(),
            [""; 0],
            "{version}: theirs alone"
        );
    }
}

fn is_offered_by_sslyze(suite: &str) -> bool {
    !NOT_OFFERED_BY_SSLYZE
        .iter()
        .any(|part| suite.contains(part))
}
