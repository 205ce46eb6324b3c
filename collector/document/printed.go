package document

import (
	"time"

	"github.com/faultline/faultline/collector/incident"
)

// KindRemedyOutput is what a remedy printed.
const KindRemedyOutput = "remedy_output"

// Printed makes a document of what something printed, for the incident; of is
// what makes it itself, so that the same output has the same document.
func Printed(i incident.Incident, of, name, text string, at time.Time) Document {
	body := []byte(text)
	return Document{ID: idOf(i.ID, KindRemedyOutput, of), IncidentID: i.ID, Origin: Drafted, Kind: KindRemedyOutput, Name: cleanName(name), Media: "text/plain; charset=utf-8",
		Size: int64(len(body)), Hash: sum(body), At: at.UTC(), By: incident.System, Body: body}
}
