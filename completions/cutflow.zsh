#compdef cutflow

_cutflow_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _CUTFLOW_COMPLETE=complete_zsh cutflow)
}

compdef _cutflow_completion cutflow

