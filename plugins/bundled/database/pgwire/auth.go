package pgwire

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// authenticator answers the server's requests for proof of who we are.
type authenticator struct {
	conn  *Conn
	cfg   Config
	scram *scram
	done  bool // the server is satisfied, and so are we
}

func (a *authenticator) answer(msg pgproto3.BackendMessage) error {
	switch m := msg.(type) {
	case *pgproto3.AuthenticationOk:
		if a.scram != nil && !a.scram.verified {
			return a.conn.lost(errors.New("the server did not prove that it knows the password"))
		}
		a.done = true
		return nil
	case *pgproto3.AuthenticationCleartextPassword:
		if !a.cfg.ClearText || !a.conn.Secure() {
			return ErrClearText
		}
		return a.conn.send(&pgproto3.PasswordMessage{Password: a.cfg.Password})
	case *pgproto3.AuthenticationMD5Password:
		return a.conn.send(&pgproto3.PasswordMessage{Password: md5Password(a.cfg.User, a.cfg.Password, m.Salt)})
	case *pgproto3.AuthenticationSASL:
		return a.begin(m.AuthMechanisms)
	case *pgproto3.AuthenticationSASLContinue:
		return a.prove(m.Data)
	case *pgproto3.AuthenticationSASLFinal:
		if a.scram == nil {
			return a.conn.lost(errors.New("unasked end of SCRAM"))
		}
		if err := a.scram.verify(string(m.Data)); err != nil {
			return a.conn.lost(err)
		}
		return nil
	default:
		return fmt.Errorf("%w: %T", ErrMethod, msg)
	}
}

// md5Password is "md5" and the digest of the salted digest that the server keeps.
func md5Password(user, password string, salt [4]byte) string {
	inner := md5.Sum([]byte(password + user))
	outer := md5.Sum(append([]byte(hex.EncodeToString(inner[:])), salt[:]...))
	return "md5" + hex.EncodeToString(outer[:])
}

const mechanism = "SCRAM-SHA-256"

func (a *authenticator) begin(mechanisms []string) error {
	if !slices.Contains(mechanisms, mechanism) {
		return fmt.Errorf("%w: SASL %s", ErrMethod, strings.Join(mechanisms, ", "))
	}
	var nonce [18]byte
	rand.Read(nonce[:])
	a.scram = &scram{password: a.cfg.Password, nonce: base64.StdEncoding.EncodeToString(nonce[:])}
	return a.conn.send(&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte(gs2 + a.scram.first())})
}

func (a *authenticator) prove(challenge []byte) error {
	if a.scram == nil {
		return a.conn.lost(errors.New("unasked challenge"))
	}
	proof, err := a.scram.final(string(challenge))
	if err != nil {
		return a.conn.lost(err)
	}
	return a.conn.send(&pgproto3.SASLResponse{Data: []byte(proof)})
}

// gs2 says that we bind to no channel; it stands before the first message.
const gs2 = "n,,"

// maxIterations bounds the work that a server may ask of us; its default is 4096.
const maxIterations = 1_000_000

// scram is the client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) as
// PostgreSQL speaks it: the user's name is empty, that of the startup message
// counts. Passwords are taken as they are; SASLprep changes none in ASCII.
type scram struct {
	user, password, nonce string

	signature []byte // that the server must show
	verified  bool
}

// first is the client's first message without its header.
func (s *scram) first() string { return "n=" + s.user + ",r=" + s.nonce }

// final answers the server's first message.
func (s *scram) final(challenge string) (string, error) {
	nonce, salt, iterations, err := parseChallenge(challenge)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", errors.New("scram: the server's nonce does not continue ours")
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("scram: %w", err)
	}
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2)) + ",r=" + nonce
	message := s.first() + "," + challenge + "," + withoutProof
	clientKey := sign(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := sign(stored[:], message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.signature = sign(sign(salted, "Server Key"), message)
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func sign(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// parseChallenge reads r=nonce,s=salt,i=iterations.
func parseChallenge(challenge string) (nonce string, salt []byte, iterations int, err error) {
	parts := strings.Split(challenge, ",")
	if len(parts) < 3 || !strings.HasPrefix(parts[0], "r=") || !strings.HasPrefix(parts[1], "s=") || !strings.HasPrefix(parts[2], "i=") {
		return "", nil, 0, errors.New("scram: the server's challenge is malformed")
	}
	salt, err = base64.StdEncoding.DecodeString(parts[1][2:])
	if err != nil || len(salt) == 0 {
		return "", nil, 0, errors.New("scram: the server's salt is malformed")
	}
	iterations, err = strconv.Atoi(parts[2][2:])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return "", nil, 0, fmt.Errorf("scram: %q iterations: want 1 to %d", parts[2][2:], maxIterations)
	}
	return parts[0][2:], salt, iterations, nil
}

// verify checks the server's proof, v=signature.
func (s *scram) verify(final string) error {
	v, ok := strings.CutPrefix(final, "v=")
	if !ok {
		return errors.New("scram: the server's last message is malformed")
	}
	v, _, _ = strings.Cut(v, ",")
	got, err := base64.StdEncoding.DecodeString(v)
	if err != nil || s.signature == nil || !hmac.Equal(got, s.signature) {
		return errors.New("scram: the server does not know the password")
	}
	s.verified = true
	return nil
}
