package redact

import (
	"strings"
	"testing"
)

// configLines are lines as vendors write them; the secret is S3cr3t or holds it.
const configLines = `enable secret 9 $9$nhEmQVS3cr3t
enable secret level 15 5 $1$mERrS3cr3t
enable password 7 0822S3cr3t
enable password S3cr3t
username bob privilege 15 secret 9 $9$S3cr3t
username bob password 0 S3cr3t
 password 7 S3cr3t
snmp-server community S3cr3t RO 10
snmp-server host 10.1.1.1 version 2c S3cr3t
snmp-server host 10.1.1.1 vrf mgmt informs version 3 priv S3cr3t
snmp-server host 10.1.1.1 S3cr3t
snmp-server user u g v3 auth sha S3cr3t priv aes 128 S3cr3t
tacacs-server host 10.0.0.1 key S3cr3t
tacacs-server key 7 S3cr3t
 key S3cr3t
 key 7 S3cr3t
radius-server host 10.0.0.1 auth-port 1812 key 0 S3cr3t
 ip ospf message-digest-key 1 md5 7 S3cr3t
 ip ospf authentication-key S3cr3t
 neighbor 10.0.0.1 password 7 S3cr3t
 neighbor 10.0.0.1 password S3cr3t
crypto isakmp key S3cr3t address 10.0.0.1
crypto isakmp key 6 S3cr3t address 10.0.0.1
  key-string 7 S3cr3t
 pre-shared-key local S3cr3t
 pre-shared-key address 10.0.0.1 key S3cr3t
 ppp chap password 0 S3cr3t
ntp authentication-key 1 md5 S3cr3t 7
 standby 1 authentication md5 key-string S3cr3t
 local-user admin password irreversible-cipher $1a$S3cr3t$
 local-user admin password cipher %^%#S3cr3t S3cr3t%^%#
 password hash $h$6$S3cr3t
 password simple S3cr3t
snmp-agent community read cipher %^%#S3cr3t%^%#
snmp-agent community write S3cr3t
snmp-agent community read simple S3cr3t
snmp-agent usm-user v3 u authentication-mode sha cipher S3cr3t
snmp-agent usm-user v3 u g cipher authentication-mode sha $c$3$S3cr3t privacy-mode aes128 $c$3$S3cr3t
snmp-agent target-host trap address udp-domain 10.0.0.1 params securityname S3cr3t v2c
 set authentication password cipher S3cr3t
 pre-shared-key cipher S3cr3t
 ospf authentication-mode md5 1 cipher S3cr3t
 peer 10.0.0.1 password cipher S3cr3t
 radius-server shared-key cipher S3cr3t
 super password level 3 cipher S3cr3t
 key authentication cipher $c$3$S3cr3t
 key accounting simple S3cr3t
    encrypted-password "$6$S3cr3t"; ## SECRET-DATA
set system root-authentication encrypted-password "$6$S3cr3t"
set snmp community S3cr3t authorization read-only
community S3cr3t {
    secret "$9$S3cr3t"; ## SECRET-DATA
        authentication-key "$9$S3cr3t";
    set password ENC S3cr3tAABB
    set psksecret ENC S3cr3tAABB
/ppp secret add name=bob password=S3cr3t
add authentication-types=wpa2-psk wpa2-pre-shared-key="S3cr3t x"
/snmp community add name=S3cr3t
rocommunity S3cr3t 10.0.0.0/8
com2sec readonly default S3cr3t
createUser u SHA S3cr3t AES S3cr3t
<phash>S3cr3t</phash>
backup-server ftp://bob:S3cr3t@10.0.0.9/x
DB_PASSWORD=S3cr3t`

func TestConfig(t *testing.T) {
	for line := range strings.SplitSeq(configLines, "\n") {
		got := Masker{}.Config(line)
		if strings.Contains(got, "S3cr3t") || !strings.Contains(got, "<secret>") {
			t.Errorf("%q became %q", line, got)
		}
		if again := (Masker{}).Config(got); again != got {
			t.Errorf("masking %q again gives %q", got, again)
		}
	}
}

func TestBlocks(t *testing.T) {
	text := "config system snmp community\n    edit 1\n        set name \"S3cr3t\"\n    next\nend\nconfig system interface\n    edit x\n        set name \"lan\"\n" +
		"-----BEGIN RSA PRIVATE KEY-----\nS3cr3tS3cr3t\nS3cr3t==\n-----END RSA PRIVATE KEY-----\nhostname r1\n"
	got := Masker{}.Config(text)
	if strings.Contains(got, "S3cr3t") {
		t.Errorf("a secret is left:\n%s", got)
	}
	for _, keep := range []string{`set name "lan"`, "hostname r1\n", "-----END RSA PRIVATE KEY-----\n"} {
		if !strings.Contains(got, keep) {
			t.Errorf("%q is gone:\n%s", keep, got)
		}
	}
}

// TestKept holds what must stay readable.
func TestKept(t *testing.T) {
	for line := range strings.SplitSeq(`hostname core1
service password-encryption
key chain OSPF
 key 1
 neighbor 10.0.0.1 send-community both
 set community 65000:100 additive
ip community-list standard X permit 65000:1
community CUST members 65000:1;
interface GigabitEthernet0/1
 description key customer
authentication-mode aaa
 authentication-mode scheme
 ip ssh rsa keypair-name x
logging host 10.0.0.9
crypto key generate rsa`, "\n") {
		if got := (Masker{}).Config(line); got != line {
			t.Errorf("%q became %q", line, got)
		}
	}
	for line := range strings.SplitSeq(`Failed password for root from 10.0.0.9 port 22 ssh2
bob : 3 incorrect password attempts ; TTY=pts/0 ; USER=root ; COMMAND=/bin/ls
The password of user admin is about to expire
secret things happen`, "\n") {
		if got := (Masker{}).Prose(line); got != line {
			t.Errorf("%q became %q", line, got)
		}
	}
	if got := (Masker{}).Prose("logged command:snmp-server community S3cr3t RO"); strings.Contains(got, "S3cr3t") {
		t.Errorf("got %q", got)
	}
}

func TestKeyTellsSecretsApart(t *testing.T) {
	m := Masker{Key: []byte("k")}
	a, same, b := m.Command("enable password one"), m.Command("enable password one"), m.Command("enable password two")
	if a != same || a == b || strings.Contains(a, "one") {
		t.Errorf("masks %q, %q, %q", a, same, b)
	}
	if other := (Masker{Key: []byte("l")}).Command("enable password one"); other == a {
		t.Error("the mask does not depend on the key")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(configLines)
	f.Fuzz(func(t *testing.T, s string) {
		once := Masker{}.Config(s)
		if strings.Count(once, "\n") != strings.Count(s, "\n") {
			t.Error("lines were lost or made")
		}
	})
}
