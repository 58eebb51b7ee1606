import { PROGRAM_OPTIONS, type CompletedCommand, type CompletedOption } from './model.js';

/** For bash from 3.2 on, which macOS has: neither `mapfile` nor the package bash-completion is needed. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const program = PROGRAM_OPTIONS.map(([flag]) => `--${flag}`).join(' ');
  return `# Completion of carelink-tokens in bash. Read it in ~/.bashrc:
#   source <(carelink-tokens completion bash)

_carelink_tokens() {
  local IFS=$' \\t\\n' current previous command='' word='' options='' values='' valued='' at=0 i
  COMPREPLY=()
  current="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  # bash cuts --flag=value into three words.
  if [ "$current" = = ]; then
    current=''
  elif [ "$previous" = = ]; then
    previous="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi

  # The command, and how many words without dashes stand behind it.
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    if [ -z "$command" ]; then
      case "$word" in
        -*) ;;
        *) command="$word"; _carelink_tokens_options "$command" ;;
      esac
    else
      case "$word" in
        =) ;;
        -*) case " $valued " in *" $word "*) i=$((i + 1)); [ "\${COMP_WORDS[i]}" = = ] && i=$((i + 1)) ;; esac ;;
        *) at=$((at + 1)) ;;
      esac
    fi
  done

  if [ -z "$command" ]; then
    case "$current" in
      -*) COMPREPLY=($(compgen -W '${program}' -- "$current")) ;;
      *) COMPREPLY=($(compgen -W '${names}' -- "$current")) ;;
    esac
    return
  fi

  case " $valued " in
    *" $previous "*)
      _carelink_tokens_values "$command $previous"
      case "$values" in
        @file) IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
        @directory) IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$current")) ;;
        *) COMPREPLY=($(compgen -W "$values" -- "$current")) ;;
      esac
      return
      ;;
  esac

  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) _carelink_tokens_words "$command $at"; COMPREPLY=($(compgen -W "$values" -- "$current")) ;;
  esac
}

# All options of a command, and those of them that take a value.
_carelink_tokens_options() {
  case "$1" in
${commands.map(optionsArm).join('\n')}
  esac
}

# What the value of a command's option may be.
_carelink_tokens_values() {
  case "$1" in
${valueArms(commands).join('\n')}
    *) values='' ;;
  esac
}

# What a word without dashes may be.
_carelink_tokens_words() {
  case "$1" in
${commands.flatMap(wordArms).join('\n')}
    *) values='' ;;
  esac
}

complete -F _carelink_tokens carelink-tokens
`;
}

function optionsArm({ name, options }: CompletedCommand): string {
  const flags = (some: readonly CompletedOption[]): string => some.map(({ flag }) => `--${flag}`).join(' ');
  const valued = options.filter(({ takesValue }) => takesValue);
  return `    ${name})
      options='${flags(options)}'
      valued='${flags(valued)}'
      ;;`;
}

/** One arm for all options that take the same. */
function valueArms(commands: readonly CompletedCommand[]): string[] {
  const arms = new Map<string, string[]>();
  for (const { name, options } of commands)
    for (const { flag, values } of options) {
      const told = typeof values === 'string' ? `@${values}` : values.join(' ');
      if (told !== '') arms.set(told, [...(arms.get(told) ?? []), `'${name} --${flag}'`]);
    }
  return [...arms].map(([values, cases]) => `    ${cases.join(' | ')}) values='${values}' ;;`);
}

function wordArms({ name, words }: CompletedCommand): string[] {
  return words.flatMap((values, at) =>
    values.length === 0 ? [] : [`    '${name} ${at}') values='${values.join(' ')}' ;;`],
  );
}
