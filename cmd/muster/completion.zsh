#compdef muster
# Completes the command line of muster: source <(muster completion zsh), after compinit
_muster() {
	local -a replies
	replies=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	replies=(${replies:#})
	if (( $#replies )); then
		compadd -U -- $replies
	else
		_files
	fi
}
compdef _muster muster
