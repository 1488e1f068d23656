# SPDX-License-Identifier: GPL-2.0
#
# A kernel's log without what is no fault of ours.
#
# KCSAN knows of races within the kernel itself, intended ones among them, also
# in interrupts that come while we run. Ours have a module of ours near the top
# of one of the two stacks. Of a report that the end of the guest cut off, this
# may be all there is: its title, with the top of both.
#
# Linux 6.1 tells with a stack that it has no memory for a module, as when a test
# makes that fail.

function end() {
	if (inside && ours)
		printf "%s", report
	inside = ""
}
!inside && /BUG: KCSAN:/ { inside = "race"; report = ""; ours = /\[respool/; depth = 9 }
!inside && /: vmalloc error: / { inside = "warning"; report = ""; ours = 1 }
!inside { print; next }
{ report = report $0 "\n" }
inside == "race" && ++depth <= 3 && /\[respool/ { ours = 1 }
inside == "race" && / by (task|interrupt).* on cpu [0-9]+:/ { depth = 0 }
inside == "warning" && / module_alloc\+/ { ours = 0 }
inside == "race" && /=====/ || inside == "warning" && / <\/TASK>| Mem-Info:/ { end() }
END {
	if (inside == "warning")
		ours = 1
	end()
}
