# Completes the command line of muster: muster completion fish | source
function __muster_complete
	set -l words (commandline -opc)
	set -l last (commandline -ct)
	set -l replies ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
	if test (count $replies) -gt 0
		printf '%s\n' $replies
	else
		__fish_complete_path "$last"
	end
end
complete -c muster -f -a '(__muster_complete)'
