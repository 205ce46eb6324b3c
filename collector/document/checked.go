package document

import "slices"

// Checked makes a document of a file that another door has checked by its
// content: a vendor's mail or page. media is what it found.
func Checked(u Upload, media string) Document {
	if !slices.Contains(Kinds, u.Kind) {
		u.Kind = "other"
	}
	hash := sum(u.Body)
	return Document{ID: idOf(u.IncidentID, Uploaded, u.Kind, hash), IncidentID: u.IncidentID, Origin: Uploaded, Kind: u.Kind, Name: cleanName(u.Name), Media: media,
		Size: int64(len(u.Body)), Hash: hash, At: u.At.UTC(), By: u.By, Body: u.Body}
}
