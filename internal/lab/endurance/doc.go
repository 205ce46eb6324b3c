// Package endurance runs the two built programs as a company would and takes
// away what they stand on: it kills them with SIGKILL at random moments, fills
// their disks, sends them rubbish, and compares what they kept with logs of its
// own. It has tests only; single packages are tested where they are.
//
// ENDURANCE_KILLS is how often TestKills kills each program (5 when unset),
// ENDURANCE_ROUNDS how often TestCluster freezes or kills the one that leads (4),
// ENDURANCE_BIN a directory with programs built before, and ENDURANCE_KEEP one
// that gets the data and logs of tests that failed.
package endurance
