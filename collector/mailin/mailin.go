// Package mailin takes the vendors' answers from a mailbox and turns each into
// one event about the ticket it belongs to: what the vendor says, until when,
// and the files he sent. It reads mails (Parse), finds the ticket (Matcher),
// understands the text modestly (Understand) and files each mail exactly once
// (Inbox). It opens no incident, ever: what fits no ticket goes to a queue that
// people look at. It decides nothing about incidents (process.Step does), sends
// nothing (effect/ticket/mail does) and speaks no IMAP (package mailin/imap does).
package mailin

import (
	"net/mail"
	"time"
)

// Limits bound what one mail may cost. The zero value of a field is its default.
type Limits struct {
	Message    int64 // bytes of a whole mail, 25 MiB; a longer one is cut and said to be
	Part       int64 // bytes of one attachment, 10 MiB
	Total      int64 // bytes of all attachments of a mail, 20 MiB
	Count      int   // attachments of a mail, 10
	Text       int   // runes of text kept, 20,000
	Parts      int   // MIME parts looked at, 100
	Depth      int   // how deep parts may lie in parts, 8
	Expanded   int64 // bytes that a ZIP archive may unfold to, 100 MiB
	ZipEntries int   // files in a ZIP archive, 2,000
}

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	defInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Message, 25<<20)
	def(&l.Part, 10<<20)
	def(&l.Total, 20<<20)
	def(&l.Expanded, 100<<20)
	defInt(&l.Count, 10)
	defInt(&l.Text, 20_000)
	defInt(&l.Parts, 100)
	defInt(&l.Depth, 8)
	defInt(&l.ZipEntries, 2000)
	return l
}

// Mail is a mail as read. Texts are UTF-8; nothing in it is trusted.
type Mail struct {
	Fingerprint string // of sender, id, date, subject and content: the same mail delivered twice has one
	MessageID   string // <…>, "" when there is none
	InReplyTo   []string
	References  []string // oldest first
	From        mail.Address
	Recipients  []string // all addresses it was sent to, lower case, envelope headers first
	Subject     string   // as written
	Date        time.Time
	Text        string // the whole text
	New         string // the text without what it quotes
	Forwarded   bool   // the subject or the text says that it was forwarded
	Auto        Auto   // what kind of machine wrote it; "" a person
	Bounce      *Bounce
	Files       []File
	Problems    []string // what was wrong with the mail's form, in English, bounded
}

// File is one attachment with what was found out about it.
type File struct {
	Name    string // without a path, bounded
	Type    string // media type by content: application/pdf, image/png, ...
	Kind    string // inspection_report, running_report, photo, other
	Size    int64
	Data    []byte // nil when refused
	Refused Refusal
}

// Bounce is what a delivery status notification says.
type Bounce struct {
	Failed     bool     // given up; false: delayed or merely told
	Recipients []string // who was not reached
	Status     string   // 5.1.1
	Diagnosis  string   // in the words of the server
	Original   string   // Message-ID of the mail that bounced, "" if it does not say
}
