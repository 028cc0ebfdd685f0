// Package outbox keeps accepted events until a broker has acknowledged them, on disk or in memory.
//
// # Guarantees
//
// An event that Add accepted (nil) is in the store: with Disk its commit was synced (fsync), so it survives kill -9 and
// a power cut. It leaves the store when Done is called for it, or when a bound drops it, and then it is counted with
// the reason. At any time
//
//	Restored + Accepted == Delivered + Queued + all of Dropped
//
// Restored are the events that were found in a file: the present one at the start or when it could be opened, one of an
// earlier configuration, one that a reload moved the outbox to. Events that were in a corrupt file and could not be
// salvaged are among them, and among Dropped, as far as their number is known.
//
// Done, Discard and dropping are synced with the next commit, half a second later at most. After a power cut in between
// an event is sent again.
//
// When the disk cannot be written (full, read-only, hanging, not mounted), Add does not wait for it: the event is held
// in memory, within separate bounds, is sent like any other, and is written when the disk is back. Add returns ErrHeld,
// and such an event counts as accepted once it is written or delivered. The same holds when the file cannot be opened
// at the start; opening is then tried again. Events of a read-only file are sent, and delivered ones are removed from
// it when it can be written again. A file that was removed or replaced while it was used is written again.
//
// Open returns an error only for permanent faults: another program uses the directory, the key is wrong or its file
// invalid, or the files belong to another user or are links.
//
// # Order
//
// An event that was added during the present connection is fresh for five seconds. Fresh events are sent first, camera
// by camera in turn. All others are the backlog: they were added while there was no connection, were sent without an
// acknowledgement, or are from an earlier run. The backlog is sent at a bounded rate, again camera by camera in turn
// and the oldest of each first, so that no camera waits for the thousand events of another.
//
// # Bounds
//
// Count, bytes and age are bounded. When the outbox is full the event of the lowest score is dropped, which may be the
// new one. When a restart or a reload lowers the bounds, the excess is dropped at once, counted and logged. Age is not
// read from the wall clock, which jumps: the outbox has its own clock. It runs while the program runs, and at the start
// advances by the time that has passed on the wall clock, never backwards. Nothing expires in the first hour of a run,
// so that a wrong clock at boot cannot delete events that were not sent to the broker yet.
//
// # Moving to another store
//
// Reconfigure moves the outbox: the new store is opened beside the old one and stores new events at once. Those that
// wait follow, some with each commit, with their age, and the old file is removed when it is empty. An event is deleted
// from the old file after it is synced in the new one, so a kill loses none, but one can arrive twice. With another key
// the file is rewritten. On an error the outbox does not change.
//
// A start with another configuration does the same with events in the state directory (Config.State) and in the
// directories that outbox.locations there lists. That file exists only while events are outside the state directory. A
// directory that another program uses is not changed.
//
// # The file
//
// Disk is one bbolt file, outbox.db, of mode 0600 in a directory of its own; a lock on outbox.lock beside it is held
// while a program uses it. Modes of these files that are too open are restricted. A record is the JSON of an event with
// camera, score and age, with a checksum or, if there is a key, sealed by XChaCha20-Poly1305. A second bucket has the
// format, the clock, the number of records and the highest key. A new file is written beside the old one, synced and
// renamed, and its directory is synced.
//
// A corrupt file, or one of another program, is renamed to outbox.db.corrupt-TIME, of which the last is kept. A new
// file replaces it, with every record whose checksum or seal is valid. Records are read from the tree of pages. Where
// the tree cannot be read, a search of every offset finds elements of leaf pages and, where those are lost, records of
// up to 256 KiB. Each event is taken once. Records that the tree or the list of free pages proves to be deleted are not
// taken. Where neither proves it, the record is taken: an event may be delivered twice, but none is lost. The search is
// bounded in time and memory, and its result is logged. A file sealed with another key is not changed, and Open fails.
//
// A delivered event is removed from the file, but its bytes may stay in free pages until they are overwritten: set a
// key if that matters.
//
// # Reading the code
//
// queue.go has the type Queue, to which events are added; schedule.go the order and send.go the publisher's side;
// bounds.go what is dropped. writer.go has the goroutine that commits; attach.go opens stores, previous.go moves events
// out of old files, and move.go applies a new configuration. store.go has the interface of a store; diskstore.go,
// diskopen.go and diskfile.go implement it with bbolt. salvage.go reads a corrupt file by its pages (boltpages.go), the
// tree of them (bolttree.go), and a search of every offset (boltscan.go).
package outbox
