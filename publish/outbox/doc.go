// Package outbox keeps accepted events until a broker has acknowledged them, on disk or in memory.
//
// # What is promised
//
// An event that Add took (nil) is in the store: with Disk it survives kill -9 and a power cut from then on. It leaves
// the store when Done is called for it, or when a bound makes it go, and then it is counted with the reason. At any time
//
//	Restored + Accepted == Delivered + Queued + all of Dropped
//
// Restored are those that were found in a file: the present one at the start or when it could be opened, one of an
// earlier configuration, one that a reload moved the box to. Events that were in a corrupt file and could not be salvaged
// are among them, and among Dropped, as far as their number is known.
//
// Where the disk takes nothing (full, read-only, hanging, not mounted), Add does not wait for it: the event is held in
// memory, within bounds of its own, is sent as any other, and is written when the disk is back. Add returns ErrHeld, and
// such an event counts as accepted once it is written or delivered. The same holds when the file cannot be opened at the
// start; it is then tried again. A file that can only be read is sent, and what was delivered is removed from it when it
// can be written again. A file that was removed or replaced while it was used is written anew.
//
// Open returns an error only for what does not pass by itself: another program uses the directory, the key is wrong or
// its file bad, the files belong to another user or are links.
//
// # Order
//
// An event that came during the present connection is fresh for five seconds, and fresh ones go first, camera by camera
// in turn. All others are the backlog (they came while there was no connection, were sent without an acknowledgement, or
// are from an earlier run): it is drained at a bounded rate, again camera by camera in turn and the oldest of each
// first, so that no camera waits behind the thousand events of another.
//
// # Bounds
//
// Count, bytes and age are bounded. When the box is full the event of the lowest score goes, be it the new one. Bounds
// that a restart or a reload made narrower drop what is too much at once, counted and logged. Age is not read from the
// wall clock, which jumps: the box has a clock of its own that runs while the program does, and at the start advances by
// what the wall clock says has passed, never backwards. Nothing expires in the first hour of a run, so that a wrong clock
// at boot cannot delete what the broker has not been offered yet.
//
// # Another place
//
// Reconfigure moves the box: the new store is opened beside the old one and takes new events at once, those that wait
// follow, some with each commit, with their age, and the old file is removed when nothing is left in it. An entry is
// deleted from the old file after it is safe in the new one, so a kill loses none, and can make one arrive twice. With
// another key the file is written anew. On an error the box stays what it was.
//
// A start with another configuration does the same with what lies in the state directory (Config.State) and in the
// directories that outbox.locations there names; that file exists only while events are somewhere else than in the state
// directory. A directory that another program uses is left alone.
//
// # The file
//
// Disk is one bbolt file, outbox.db, of mode 0600 in a directory of its own; a lock on outbox.lock beside it is held
// while a program uses it. Open modes of these files are tightened. An entry is the JSON of an event with camera, score
// and age, with a checksum or, if there is a key, sealed by XChaCha20-Poly1305; a second bucket has the format, the clock,
// the number of entries and the highest key.
//
// A corrupt file, or another program's, is renamed to outbox.db.corrupt-TIME, of which the last is kept, and a new one
// takes its place with every entry whose checksum or seal holds: what the tree of pages reaches, and where that cannot be
// read what a search of every offset finds, elements of leaf pages and, where those are lost, entries that are not sealed.
// Each event is taken once. What the tree or the list of free pages proves to have been deleted is left; where neither
// can, an event that was delivered is rather sent again than another lost. The search is bounded in time and memory, and
// its result is logged. A file sealed with another key is left alone, and Open fails.
//
// What was delivered is removed from the file, but its bytes may stay in free pages until they are written over: set a
// key if that matters.
package outbox
