package doctor

import "golang.org/x/sys/windows"

// privateModes tells whether file modes keep others out.
const privateModes = false

// freeBytes is what this user may still write where dir is.
func freeBytes(dir string) (int64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	return int64(free), err
}
