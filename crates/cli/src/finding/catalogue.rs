//! The ids, and what each means whatever was seen.

use std::fmt;

use super::Severity::{self, Critical, High, Info, Low, Medium};

macro_rules! catalogue {
    ($($name:ident = $code:literal, $severity:ident, $title:literal, $why:literal;)*) => {
        /// What an audit may find. Ids never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id {
            $(#[doc = $title] $name,)*
        }

        impl Id {
            /// All, as documented in `docs/audit.md`.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => $severity,)* }
            }

            /// In a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Why it matters.
            #[must_use]
            pub const fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }
        }
    };
}

catalogue! {
    OldVersionAccepted = "CT-TLS-001", High, "a version before TLS 1.2 is accepted",
        "TLS 1.0, TLS 1.1 and DTLS 1.0 rest on MD5 and SHA-1 and are deprecated (RFC 8996); an attacker may move both ends to them.";
    OldVersionNotExcluded = "CT-TLS-002", Medium, "versions before TLS 1.2 are not excluded",
        "Whether they are spoken is left to how OpenSSL was built and configured in the image; another image may speak them.";
    DtlsLeftAtOne = "CT-TLS-003", Critical, "DTLS is left at version 1.0",
        "coturn has no DTLS 1.3: `no-tlsv1_2` takes DTLS 1.2 away, and DTLS 1.0, which is deprecated, is all that is left.";
    NoSecureRenegotiation = "CT-TLS-004", Medium, "secure renegotiation is not spoken",
        "Without RFC 5746 an attacker may put bytes of his own before those of a client; current clients refuse such servers.";
    TlsShutOut = "CT-TLS-005", Critical, "`no-tlsv1_2` leaves no TLS at all",
        "Before 4.6.2 coturn answers whoever speaks TLS 1.2 or 1.3 with TLS 1.2 alone: without that, every handshake fails.";
    VersionBeyondPolicy = "CT-TLS-006", Medium, "a version that the policy leaves out is let in",
        "TLS 1.2 and DTLS 1.2 are not broken, but no client that the policy lets in needs them, and they leave more to be set right than TLS 1.3.";
    CipherWithoutProtection = "CT-CPH-001", Critical, "a cipher suite that protects nothing is accepted",
        "It does not encrypt, does not show a certificate, or is broken within hours.";
    CipherBroken = "CT-CPH-002", High, "a broken cipher is accepted",
        "RC4 leaks what it encrypts (RFC 7465); triple DES repeats its blocks of 64 bits in long sessions (SWEET32).";
    NoForwardSecrecy = "CT-CPH-003", Medium, "suites without forward secrecy are accepted",
        "Who gets the server's RSA key later reads all that was recorded before, and such suites let attackers use the server to decrypt (ROBOT).";
    CipherBeyondPolicy = "CT-CPH-004", Low, "suites beyond the policy are accepted",
        "They are not known to be broken, but no client that the policy lets in needs them.";
    CipherListUnset = "CT-CPH-005", Low, "`cipher-list` is not set",
        "The list is left to how OpenSSL was built and configured in the image; another image may have another one.";
    CipherListWeak = "CT-CPH-006", High, "`cipher-list` lets weak suites in",
        "It switches off OpenSSL's own bounds, or names ciphers that are broken.";
    WeakDh = "CT-DH-001", High, "Diffie-Hellman with fewer than 2048 bits",
        "Groups of 1024 bits and less are within the reach of states, and the predefined ones are worth the effort (Logjam).";
    CertificateExpired = "CT-CRT-001", High, "the certificate is not valid now",
        "coturn serves it all the same, without a complaint; clients and partners refuse it.";
    CertificateExpiresSoon = "CT-CRT-002", Medium, "the certificate expires within 30 days, or a third of a shorter life",
        "A rolling restart of coturn that drains calls takes up to 12 hours a pod.";
    WeakKey = "CT-CRT-003", High, "the certificate's key is too weak",
        "RSA keys below 2048 bits and curves below 256 bits can be broken; clients refuse them.";
    WeakSignature = "CT-CRT-004", High, "a certificate's signature is too weak",
        "Certificates with the same SHA-1 or MD5 hash can be made; clients refuse them.";
    ChainOutOfOrder = "CT-CRT-005", High, "the chain is out of order",
        "Each certificate must be signed by the next (RFC 5246, section 7.4.2). With another one than the leaf first coturn serves nothing at all.";
    ChainIncomplete = "CT-CRT-006", High, "the chain does not lead to what is trusted",
        "Clients that do not know the certificate in between refuse the server.";
    RootServed = "CT-CRT-007", Low, "the root is served with the chain",
        "Who trusts it has it, who does not gains nothing: it costs a packet in each handshake.";
    NameMissing = "CT-CRT-008", High, "the certificate lacks a name",
        "Clients and partners look for the name of the server in subjectAltName, and refuse what lacks it.";
    MustStaple = "CT-CRT-009", High, "the certificate demands an OCSP response that coturn cannot give",
        "coturn has no code for OCSP stapling in any version up to 4.17.1: clients that honour the demand (RFC 7633) refuse the server.";
    UsageMissing = "CT-CRT-010", High, "the certificate does not admit a usage that it needs",
        "OpenSSL enforces the purposes of a certificate. In federation each side is server and client with the same one.";
    RealmNotCovered = "CT-CRT-011", Info, "the realm is in no name of the certificate",
        "A realm need not be a name of the server, but where it is one, clients will look for it.";
    FederationTrustsAnybody = "CT-FED-001", Critical, "federation lets anybody in",
        "Without `CA-file` the fork asks for no certificate and never looks at its whitelist.";
    WhitelistEmpty = "CT-FED-002", High, "the whitelist of federation is empty",
        "Whoever holds any certificate of an authority in `CA-file` federates.";
    FederationInTheClear = "CT-FED-003", Critical, "federation is not encrypted",
        "With `federation-no-dtls` what is relayed between the partners goes over UDP as it is, from and to anybody.";
    FederationDoesNotDemand = "CT-FED-004", Critical, "the federation listener asks for no certificate",
        "Whoever reaches the port federates.";
    WhitelistEntryInert = "CT-FED-005", Medium, "an entry of the whitelist never matches",
        "The fork compares hosts with the names of certificates: a wildcard counts only in the certificate, blanks count as they stand, and of two entries for a host only the first is looked at.";
    WhitelistAnyIssuer = "CT-FED-006", Low, "an entry of the whitelist takes any public authority",
        "`CA-file` is the system's bundle: any of its authorities may vouch for the host.";
    TurnDemandsCertificates = "CT-TRN-001", High, "`CA-file` makes TURN over TLS demand client certificates",
        "Browsers and apps have none: every TURN client over TLS is turned away (alert 40 or 116).";
    KeyReadableByOthers = "CT-KEY-001", Medium, "the private key can be read by every user of the pod",
        "Whoever breaks into any process of the container has the key.";
    KeyUnreadable = "CT-KEY-002", Critical, "coturn cannot read the private key",
        "It starts, opens its listeners or drops them, and fails every handshake; probes stay green.";
    PathMissesMount = "CT-FIL-001", Critical, "a file's path is in no volume",
        "The file is not there, or comes from the image, where a renewed certificate never arrives.";
    FileNotInVolume = "CT-FIL-002", Critical, "a volume does not have the file",
        "coturn starts without it, and with it go its listeners or every handshake.";
    NoCertificate = "CT-FIL-003", High, "TLS is on, and no certificate is named",
        "coturn then looks for turn_server_cert.pem and turn_server_pkey.pem, and goes on without TLS and DTLS if it does not find them.";
    FileNeverUpdated = "CT-FIL-004", Medium, "a file is mounted by `subPath`",
        "The kubelet never updates such a file: a renewed certificate arrives only with a new pod.";
    UnknownOption = "CT-OPT-001", Medium, "an option that this coturn does not know",
        "It is skipped with a line in the log: what it was meant for does not happen.";
    DeprecatedOption = "CT-OPT-002", Low, "an option is deprecated",
        "It does nothing any more, or will be gone in a later version.";
    OptionOfAnotherVersion = "CT-OPT-003", High, "an option of another version",
        "This coturn skips it with a line in the log: what it was meant for does not happen.";
    DoesNotStart = "CT-OPT-004", Critical, "coturn does not start with this option",
        "It prints its usage, or an error, and ends.";
    MalformedOption = "CT-OPT-005", Low, "an option is written in a way that coturn misreads",
        "It takes effect otherwise than it looks.";
    TcpRelay = "CT-RLY-001", Medium, "TCP relaying is allowed",
        "Any user may open TCP connections from the server into its network (RFC 6062); hardly any client uses it.";
    LoopbackPeers = "CT-RLY-002", High, "peers on the loopback interface are allowed",
        "Any user reaches what listens on the server's own 127.0.0.1 and ::1, its command-line interface first of all.";
    NoAuthentication = "CT-AUT-001", High, "anybody may relay without a password",
        "The server is an open proxy for whoever finds it.";
    WebAdminWithoutTls = "CT-ADM-001", High, "the web administration has no TLS",
        "coturn serves it over TLS alone: from 4.6.3 it is switched off with `no-tls`, before that its port answers in the clear.";
    WebAdminExposed = "CT-ADM-002", Medium, "the web administration listens beyond the pod",
        "A password is all that stands between whoever reaches the port and the server's users.";
    CliExposed = "CT-ADM-003", High, "the command-line interface listens beyond the pod",
        "It is Telnet: its password and all that follows go in the clear.";
    ListenerSilent = "CT-LSN-001", High, "a listener that is configured is not there",
        "coturn drops its TLS and DTLS listeners, with a line in the log, if it cannot use the certificate, the key or the CA file.";
    VersionDiffers = "CT-VER-001", Low, "another version runs than the image's tag says",
        "What was judged by the tag may not hold.";
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_share_a_code() {
        let codes: BTreeSet<_> = Id::ALL.iter().map(|id| id.code()).collect();
        assert_eq!(codes.len(), Id::ALL.len());
    }

    #[test]
    fn the_documentation_has_them_all() {
        let page = include_str!("../../../../docs/audit.md");
        for id in Id::ALL {
            let (title, why) = (id.title(), id.why());
            let row = format!("| {id} | {} | {title} | {why} |", id.severity());
            assert!(page.contains(&row), "docs/audit.md lacks:\n{row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| CT-"));
        assert_eq!(rows.count(), Id::ALL.len());
    }
}
