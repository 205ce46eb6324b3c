package doctor

import "github.com/faultline/faultline/internal/lang"

// localHints are for the inputs that read this machine.
var localHints = map[string]lang.Text{
	"log": text("检查路径，或代理用户是否属于 systemd-journal 或 adm 组（docs/inputs.md）", "look at the path, or whether the agent's user is in the group systemd-journal or adm (docs/inputs.md)"),
	"smart": text("检查是否安装 smartmontools；读磁盘需要 root，可由 root 定时写出 smartctl --json 的文件并用 path 读取（docs/inputs.md）",
		"is smartmontools installed? Disks are root's to ask: let a job of root leave smartctl's answers in files and name them in path (docs/inputs.md)"),
	"service": text("检查服务名称；单元由 systemd 的 D-Bus 告知（docs/inputs.md）", "look at the names; units are asked of systemd over D-Bus (docs/inputs.md)"),
}
