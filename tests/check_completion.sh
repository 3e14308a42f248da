#!/usr/bin/env bash
# Has the shells that are here complete the options of installed programs; tests/check_install.sh calls it.
#
#   tests/check_completion.sh PREFIX     an installation
set -euo pipefail

fail() { echo "error: $*"; exit 1; }
prefix=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# SHELL FOLDER FILE...: the files are where the shell looks for them, and it can read them.
check_syntax() {
  local file
  for file in "${@:3}"; do
    [ -s "$prefix/share/$2/$file" ] || fail "there is no share/$2/$file"
    ! command -v "$1" >/dev/null || "$1" -n "$prefix/share/$2/$file" || fail "$1 can't read $file"
  done
}
for program in train prune evaluate inspect export-model; do
  check_syntax bash bash-completion/completions "trifold-$program"
  check_syntax zsh zsh/site-functions "_trifold-$program"
  check_syntax fish fish/vendor_completions.d "trifold-$program.fish"
done

# As bash asks: for the last of the words so far.
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  "_${1//-/_}"
  echo "${COMPREPLY[@]}"
}
completed=$(. "$prefix/share/bash-completion/completions/trifold-prune"
  complete_words trifold-prune --on-divergence roll
  complete_words trifold-prune coll
  complete_words trifold-prune run --round-i
  complete_words trifold-prune run --model)
[ "$completed" = $'rollback\ncollect\n--round-images\n--model' ] || fail "bash completes to $completed"

# A folder with one file, for what completes to one.
mkdir "$work/files" && touch "$work/files/net.safetensors"
cd "$work/files"

# zsh completes in its line editor, at a terminal of its own. There ^T keeps what a line has become.
if command -v zsh >/dev/null; then
  cat >"$work/.zshrc" <<'RC'
fpath=("$PREFIX/share/zsh/site-functions" $fpath)
autoload -U compinit && compinit -u -D
keep() { print -r -- $BUFFER >>$KEPT; BUFFER= }
zle -N keep
bindkey '^I' complete-word
bindkey '^T' keep
RC
  keys=""
  for line in "prune --on-divergence roll" "prune coll" "prune run --round-i" "prune run --model " \
    "inspect --resize=anti" "inspect n" "train --tim"; do
    keys+="trifold-$line"$'\t\024'
  done
  PREFIX=$prefix KEPT=$work/kept ZDOTDIR=$work TERM=xterm timeout 60 zsh -f -c '
    zmodload zsh/zpty
    zpty editor zsh -d -i
    zpty -w -n editor "$1"
    while zpty -r editor; do :; done' zsh "${keys}exit"$'\n' >"$work/screen" || true
  completed=$(sed 's/ *$//' "$work/kept") || fail "zsh completes nothing: $(cat "$work/screen")"
  [ "$completed" = "trifold-prune --on-divergence rollback
trifold-prune collect
trifold-prune run --round-images=
trifold-prune run --model net.safetensors
trifold-inspect --resize=antialias
trifold-inspect net.safetensors
trifold-train --time-limit=" ] || fail "zsh completes to $completed"
else
  echo "there is no zsh: its completion is not tried"
fi

if command -v fish >/dev/null; then
  # Without the descriptions, which follow a tab.
  completed=$(export HOME=$work XDG_DATA_DIRS=$prefix/share PATH="$prefix/bin:$PATH"
    for line in "prune --on-divergence roll" "prune coll" "prune run --round-i" "prune run --model " \
      "inspect --resize=anti" "inspect n" "train --tim" "train n"; do
      fish -c 'complete -C $argv' "trifold-$line" | cut -f 1
    done)
  [ "$completed" = "rollback
collect
--round-images
net.safetensors
--resize=antialias
net.safetensors
--time-limit" ] || fail "fish completes to $completed"
else
  echo "there is no fish: its completion is not tried"
fi
