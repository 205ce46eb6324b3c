package host

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// A process' memory is seen with that of what it started, and that of a child of
// later is after a few looks.
func TestResident(t *testing.T) {
	var look memoryLook
	alone := look.resident(os.Getpid())
	if alone < 1<<20 {
		t.Fatalf("this program has %d bytes", alone)
	}
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if look.resident(os.Getpid()); len(look.family) == 2 && look.family[1] == cmd.Process.Pid {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the child %d is not seen: %v", cmd.Process.Pid, look.family)
		}
	}
	if look.resident(1<<30) != 0 || len(look.family) != 1 {
		t.Errorf("a process that is not there: %v", look.family)
	}
}

// A look that makes garbage has the host collect it all day and keep for that the
// pages and the heap that TestFootprint of the host's program counts.
func TestResidentMakesLittleGarbage(t *testing.T) {
	var look memoryLook
	if n := testing.AllocsPerRun(familyLooks*50, func() { look.resident(os.Getpid()) }); n > 40 {
		t.Errorf("%v allocations a look", n)
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": 0, "1234": 1234, "12a": 0, "-1": 0} {
		if got := decimal([]byte(text)); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestNextLook(t *testing.T) {
	u := &unit{pace: Pace{Watch: time.Second}}
	u.limits.Memory = 100
	if near, far := u.nextLook(50), u.nextLook(49); near != time.Second || far != calmLooks*time.Second {
		t.Errorf("near its bound %s, far from it %s", near, far)
	}
}
