//! Alerts, in words.

use std::fmt;

/// Description of a fatal alert that a server sent (RFC 5246, section 7.2; RFC 8446, section 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(u8);

impl Alert {
    /// No common parameters, as a cipher that both know.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// A certificate is corrupt, or its signature does not hold.
    pub const BAD_CERTIFICATE: Self = Self(42);
    /// A certificate of a kind that is not accepted; OpenSSL says so of a wrong purpose.
    pub const UNSUPPORTED_CERTIFICATE: Self = Self(43);
    /// A certificate was revoked.
    pub const CERTIFICATE_REVOKED: Self = Self(44);
    /// A certificate has expired.
    pub const CERTIFICATE_EXPIRED: Self = Self(45);
    /// A certificate is not acceptable for another reason; coturn says so of a name that is not on its
    /// whitelist.
    pub const CERTIFICATE_UNKNOWN: Self = Self(46);
    /// The chain leads to no CA that is trusted.
    pub const UNKNOWN_CA: Self = Self(48);
    /// A certificate is in order, and its holder is not let in.
    pub const ACCESS_DENIED: Self = Self(49);
    /// A signature of a certificate or a CRL does not verify.
    pub const DECRYPT_ERROR: Self = Self(51);
    /// The protocol version is not spoken.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// No client certificate was presented (TLS 1.3).
    pub const CERTIFICATE_REQUIRED: Self = Self(116);

    /// The alert of this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Its name in the RFC's list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "unassigned",
        }
    }

    /// What the server means by it, about a client that presented a certificate.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::HANDSHAKE_FAILURE => {
                "it shares no cipher or key type with the client, demands a certificate that was not presented, or has no usable certificate of its own"
            }
            Self::BAD_CERTIFICATE => {
                "it cannot verify the certificate that it was shown: not valid yet by its clock, or too weak, most likely"
            }
            Self::UNSUPPORTED_CERTIFICATE => {
                "the certificate that it was shown is not for this purpose (extendedKeyUsage clientAuth)"
            }
            Self::CERTIFICATE_REVOKED => {
                "the certificate that it was shown is on a revocation list"
            }
            Self::CERTIFICATE_EXPIRED => {
                "the certificate that it was shown, a CA above it or the server's own CRL has expired by its clock"
            }
            Self::CERTIFICATE_UNKNOWN => {
                "it does not accept the certificate that it was shown: its name is not on the whitelist, most likely"
            }
            Self::UNKNOWN_CA => {
                "it does not trust the CA of the certificate that it was shown: the CA is not in its CA-file, an intermediate is missing, or there is no CRL for it"
            }
            Self::DECRYPT_ERROR => {
                "a signature does not verify: it has a CA of the same name with another key, most likely"
            }
            Self::ACCESS_DENIED => "it lets in no holder of the certificate that it was shown",
            Self::PROTOCOL_VERSION => "it does not speak this version of the protocol",
            Self::CERTIFICATE_REQUIRED => "it demands a certificate, and was shown none",
            _ => "it ended the handshake",
        }
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alert {} ({})", self.0, self.name())
    }
}

impl fmt::Debug for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Alert({}, {})", self.0, self.name())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(42, "bad_certificate", "not valid yet")]
    #[case(43, "unsupported_certificate", "extendedKeyUsage clientAuth")]
    #[case(45, "certificate_expired", "has expired by its clock")]
    #[case(46, "certificate_unknown", "whitelist")]
    #[case(48, "unknown_ca", "does not trust the CA")]
    #[case(51, "decrypt_error", "another key")]
    #[case(116, "certificate_required", "was shown none")]
    #[case(200, "unassigned", "it ended the handshake")]
    fn an_alert_is_told_by_its_name_and_in_words(
        #[case] code: u8,
        #[case] name: &str,
        #[case] words: &str,
    ) {
        let alert = Alert::from_code(code);
        assert_eq!(alert.to_string(), format!("alert {code} ({name})"));
        assert!(alert.meaning().contains(words), "{}", alert.meaning());
    }
}
