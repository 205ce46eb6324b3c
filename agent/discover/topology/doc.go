// Package topology works out what stands where: from what devices say of
// themselves and of their neighbours it makes one device of all addresses of
// one, says what each is, which port leads to which device, how sure that is,
// and by way of what each device is reached.
//
// It is pure: facts in, proposal out. It asks nobody and writes nothing.
package topology
