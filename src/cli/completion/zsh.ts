import type { Suggestions } from '../../config/kinds.js';
import { PROGRAM_OPTIONS, type CompletedCommand, type CompletedOption } from './model.js';

/** Serves both ways to install it: `source`, and a file named `_carelink-tokens` in a directory of $fpath. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef carelink-tokens
# Completion of carelink-tokens in zsh. Read it in ~/.zshrc, after compinit:
#   source <(carelink-tokens completion zsh)

_carelink-tokens() {
  local curcontext="$curcontext" state line
  local -A opt_args
  local -a commands
  commands=(
${commands.map(({ name, brief }) => `    ${quoted(`${name}:${brief.replaceAll(':', '\\:')}`)}`).join('\n')}
  )
  _arguments -C \\
${PROGRAM_OPTIONS.map(([flag, brief]) => `    ${quoted(`--${flag}[${inBrackets(brief)}]`)} \\`).join('\n')}
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command) _describe -t commands command commands ;;
    argument)
      curcontext="\${curcontext%:*:*}:carelink-tokens-\${words[1]}:"
      case \${words[1]} in
${commands.map(commandArm).join('\n')}
      esac
      ;;
  esac
}

if [ "\${funcstack[1]}" = _carelink-tokens ]; then
  _carelink-tokens "$@"
else
  compdef _carelink-tokens carelink-tokens
fi
`;
}

function commandArm({ name, options, words }: CompletedCommand): string {
  const specs = [
    ...options.map(optionSpec),
    // A word that nobody can guess is left out: its place would keep zsh from writing out an option there.
    ...words.flatMap((values, at) =>
      values.length === 0 ? [] : [quoted(`${at + 1}:${name}:${action(values)}`)],
    ),
  ];
  return `        ${name})
          _arguments \\
${specs.map((spec) => `            ${spec}`).join(' \\\n')}
          ;;`;
}

function optionSpec({ flag, brief, takesValue, isList, values }: CompletedOption): string {
  const told = `[${inBrackets(brief)}]`;
  return quoted(
    takesValue ? `${isList ? '*' : ''}--${flag}=${told}:${flag}:${action(values)}` : `--${flag}${told}`,
  );
}

/** A blank: there is nothing to offer, and zsh is not to guess. */
function action(values: Suggestions): string {
  if (values === 'file') return '_files';
  if (values === 'directory') return '_files -/';
  return values.length === 0 ? ' ' : `(${values.join(' ')})`;
}

const inBrackets = (text: string): string => text.replace(/[[\]\\]/g, '\\$&');

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
