package snmp

// Check returns what is wrong with the settings, without asking anybody.
func (c Config) Check() error {
	_, _, err := c.validate()
	return err
}
