// Package endurance runs the two built programs as a company would and takes
// away what they stand on: it kills them with SIGKILL at random moments, fills
// their disks, sends them rubbish, and compares what they kept with logs of its
// own. It has tests only; single packages are tested where they are.
package endurance
