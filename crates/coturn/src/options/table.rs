//! The table itself.

use super::Short;
use crate::Version;

/// Options that came and went together.
#[derive(Clone, Copy)]
pub(super) struct Era {
    pub(super) since: Version,
    /// The first version without them.
    pub(super) until: Option<Version>,
    pub(super) is_of_fork: bool,
    pub(super) switches: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    pub(super) required: &'static [&'static str],
}

const fn v(minor: u16, patch: u16) -> Version {
    Version::new(4, minor, patch)
}

/// The release of 4.5.1 that has most of what is told of 4.5.1.
const V4512: Version = v(5, 1).with_revision(2);

const fn since(minor: u16, patch: u16) -> Era {
    from(v(minor, patch))
}

const fn from(since: Version) -> Era {
    Era {
        since,
        until: None,
        is_of_fork: false,
        switches: &[],
        optional: &[],
        required: &[],
    }
}

const fn until(era: Era, minor: u16, patch: u16) -> Era {
    Era {
        until: Some(v(minor, patch)),
        ..era
    }
}

pub(super) const ERAS: &[Era] = &[
    Era {
        switches: &["no-http", "no-loopback-peers"],
        ..until(since(5, 0), 5, 1)
    },
    Era {
        until: Some(V4512),
        switches: &["dh2066"],
        ..since(5, 0)
    },
    Era {
        switches: &["no-sslv2", "no-sslv3", "no-tlsv1", "no-tlsv1_1", "prod"],
        optional: &["secret-ts-exp-time"],
        ..until(since(5, 0), 7, 0)
    },
    Era {
        required: &["ne"],
        ..until(since(5, 0), 10, 0)
    },
    Era {
        switches: &[
            "check-origin-consistency",
            "daemon",
            "dh566",
            "fingerprint",
            "keep-address-family",
            "lt-cred-mech",
            "mobility",
            "no-auth",
            "no-cli",
            "no-dtls",
            "no-multicast-peers",
            "no-stdout-log",
            "no-stun",
            "no-tcp",
            "no-tcp-relay",
            "no-tls",
            "no-tlsv1_2",
            "no-udp",
            "no-udp-relay",
            "oauth",
            "secure-stun",
            "server-relay",
            "simple-log",
            "stun-only",
            "syslog",
            "udp-self-balance",
            "use-auth-secret",
        ],
        optional: &[
            "channel-lifetime",
            "max-allocate-lifetime",
            "permission-lifetime",
            "stale-nonce",
            "verbose",
            "Verbose",
        ],
        required: &[
            "allowed-peer-ip",
            "alt-listening-port",
            "alt-tls-listening-port",
            "alternate-server",
            "aux-server",
            "bps-capacity",
            "CA-file",
            "cert",
            "cipher-list",
            "cli-ip",
            "cli-max-output-sessions",
            "cli-password",
            "cli-port",
            "db",
            "denied-peer-ip",
            "dh-file",
            "ec-curve-name",
            "external-ip",
            "listening-device",
            "listening-ip",
            "listening-port",
            "log-file",
            "max-allocate-timeout",
            "max-bps",
            "max-port",
            "min-port",
            "mongo-userdb",
            "mysql-userdb",
            "pidfile",
            "pkey",
            "pkey-pwd",
            "proc-group",
            "proc-user",
            "psql-userdb",
            "realm",
            "redis-statsdb",
            "redis-userdb",
            "relay-device",
            "relay-ip",
            "relay-threads",
            "rest-api-separator",
            "secret-key-file",
            "server-name",
            "sql-userdb",
            "static-auth-secret",
            "tls-alternate-server",
            "tls-listening-port",
            "total-quota",
            "user",
            "user-quota",
            "userdb",
        ],
        ..since(5, 0)
    },
    Era {
        switches: &[
            "allow-loopback-peers",
            "web-admin",
            "web-admin-listen-on-workers",
        ],
        required: &["web-admin-ip", "web-admin-port"],
        ..since(5, 1)
    },
    Era {
        switches: &[
            "dh1066",
            "no-auth-pings",
            "no-dynamic-ip-list",
            "no-dynamic-realms",
            "no-software-attribute",
        ],
        required: &["tcp-proxy-port"],
        ..from(V4512)
    },
    Era {
        switches: &["log-binding", "prometheus"],
        optional: &["new-log-timestamp"],
        required: &["acme-redirect", "new-log-timestamp-format"],
        ..since(5, 2)
    },
    Era {
        switches: &["no-stun-backward-compatibility"],
        ..until(since(6, 0), 7, 0)
    },
    Era {
        switches: &[
            "no-rfc5780",
            "prometheus-username-labels",
            "response-origin-only-with-rfc5780",
        ],
        optional: &["prometheus-port", "version"],
        required: &["allocation-default-address-family", "syslog-facility"],
        ..since(6, 0)
    },
    Era {
        switches: &["raw-public-keys", "respond-http-unsupported"],
        optional: &["prometheus-address"],
        ..since(6, 3)
    },
    Era {
        switches: &[
            "rfc5780",
            "software-attribute",
            "stun-backward-compatibility",
            "tlsv1",
            "tlsv1_1",
        ],
        optional: &["prometheus-path"],
        ..since(7, 0)
    },
    Era {
        switches: &["drop-invalid-packets", "drop-invalid-packets-log"],
        required: &["cpus", "sock-buf-size"],
        ..since(8, 0)
    },
    Era {
        switches: &["cli", "include-reason-string", "udp-recvmmsg"],
        ..since(10, 0)
    },
    Era {
        switches: &["multiplex-peer", "udp-gso", "udp-recvmmsg-log"],
        required: &["multiplex-peer-port"],
        ..since(12, 0)
    },
    Era {
        switches: &["udp-sendmmsg-log"],
        ..since(13, 0)
    },
    Era {
        switches: &["prometheus-tls", "unauthorized-ratelimit"],
        optional: &["unauthorized-ratelimit-rps"],
        required: &["prometheus-cert", "prometheus-key"],
        ..since(14, 0)
    },
    Era {
        required: &[
            "drain-min-allocations",
            "log-min-level",
            "tcp-alternate-server",
            "udp-alternate-server",
        ],
        ..since(15, 0)
    },
    Era {
        switches: &[
            "rfc3489-compatibility",
            "rfc5766-channel-numbers",
            "stateless-nonce",
        ],
        required: &["multiplex-peer-max-peers", "stateless-nonce-secret"],
        ..since(16, 0)
    },
    Era {
        switches: &["dtls"],
        ..since(17, 0)
    },
    Era {
        is_of_fork: true,
        switches: &["zrest"],
        optional: &["401-allowlist", "401-req-limit", "401-window"],
        required: &[
            "federation-cert",
            "federation-listening-ip",
            "federation-listening-port",
            "federation-no-dtls",
            "federation-pkey",
            "federation-pkey-pwd",
            "federation-remote-whitelist",
            "prometheus-ip",
        ],
        ..since(6, 2)
    },
];

/// Options of one letter; `c`, `h` and `n` have no long name, and stand here under names of this
/// crate's own.
pub(super) const SHORT: &[Short] = &[
    takes('c', "config"),
    takes('d', "listening-device"),
    takes('p', "listening-port"),
    takes('L', "listening-ip"),
    takes('E', "relay-ip"),
    takes('X', "external-ip"),
    takes('i', "relay-device"),
    takes('m', "relay-threads"),
    takes('l', "log-file"),
    takes('r', "realm"),
    takes('u', "user"),
    takes('b', "userdb"),
    takes('B', "bps-capacity"),
    takes('e', "psql-userdb"),
    takes('M', "mysql-userdb"),
    takes('J', "mongo-userdb"),
    takes('N', "redis-userdb"),
    takes('O', "redis-statsdb"),
    takes('q', "user-quota"),
    takes('Q', "total-quota"),
    takes('s', "max-bps"),
    takes('C', "rest-api-separator"),
    takes('K', "keep-address-family"),
    takes('A', "allocation-default-address-family"),
    alone('v', "verbose"),
    alone('V', "Verbose"),
    alone('o', "daemon"),
    alone('f', "fingerprint"),
    alone('h', "help"),
    alone('z', "no-auth"),
    alone('n', "no-config"),
    alone('a', "lt-cred-mech"),
    alone('S', "stun-only"),
];

const fn takes(letter: char, name: &'static str) -> Short {
    Short {
        letter,
        name,
        takes_value: true,
    }
}

const fn alone(letter: char, name: &'static str) -> Short {
    Short {
        letter,
        name,
        takes_value: false,
    }
}

/// Options whose value has not been optional since this version.
pub(super) const REQUIRED_SINCE: &[(&str, Version)] = &[
    ("prometheus-address", v(16, 0)),
    ("prometheus-path", v(16, 0)),
    ("prometheus-port", v(16, 0)),
];

/// Options whose values are secrets, or, as connection strings, may hold passwords.
pub(super) const SECRET: &[&str] = &[
    "cli-password",
    "federation-pkey-pwd",
    "mongo-userdb",
    "mysql-userdb",
    "pkey-pwd",
    "psql-userdb",
    "redis-statsdb",
    "redis-userdb",
    "sql-userdb",
    "stateless-nonce-secret",
    "static-auth-secret",
    "user",
];

/// Options that coturn still takes and says are deprecated, or does nothing with; since when; what to
/// do instead.
pub(super) const DEPRECATED: &[(&str, Version, &str)] = &[
    (
        "keep-address-family",
        v(6, 0),
        "allocation-default-address-family=keep",
    ),
    (
        "no-cli",
        v(10, 0),
        "leave it out: the command-line interface is off unless `cli` is set",
    ),
    (
        "no-dtls",
        v(17, 0),
        "leave it out: DTLS is off unless `dtls` is set",
    ),
    (
        "no-rfc5780",
        v(7, 0),
        "leave it out: RFC 5780 is off unless `rfc5780` is set",
    ),
    (
        "no-software-attribute",
        v(7, 0),
        "leave it out: the version is told only if `software-attribute` is set",
    ),
    ("no-sslv2", v(5, 0), "leave it out: SSL 2.0 is never spoken"),
    ("no-sslv3", v(5, 0), "leave it out: SSL 3.0 is never spoken"),
    ("prod", V4512, "no-software-attribute"),
    (
        "rfc3489-compatibility",
        v(16, 0),
        "leave it out: RFC 3489 has been obsolete since 2008",
    ),
    (
        "secret-ts-exp-time",
        v(5, 0),
        "leave it out: it does nothing",
    ),
];
