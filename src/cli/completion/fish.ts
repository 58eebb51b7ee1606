import { PROGRAM_OPTIONS, type CompletedCommand, type CompletedOption } from './model.js';

/** Serves both ways to install it: `source`, and a file in ~/.config/fish/completions. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  return `# Completion of carelink-tokens in fish:
#   carelink-tokens completion fish > ~/.config/fish/completions/carelink-tokens.fish

# Whether the command is the one that is named; with a second argument also, whether so many words stand before the cursor.
function __carelink_tokens_in
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; or test (count $words) -eq $argv[2]
end

function __carelink_tokens_bare
    test (count (commandline -opc)) -eq 1
end

complete -c carelink-tokens -f
${PROGRAM_OPTIONS.map(([flag, brief]) => line('__carelink_tokens_bare', `-l ${flag}`, brief)).join('\n')}
${commands.map(({ name, brief }) => line('__carelink_tokens_bare', `-a ${name}`, brief)).join('\n')}
${commands.map(commandLines).join('\n')}
`;
}

function commandLines({ name, options, words }: CompletedCommand): string {
  // The program and the command come first.
  const wordLines = words.flatMap((values, at) =>
    values.length === 0
      ? []
      : [line(`__carelink_tokens_in ${name} ${at + 2}`, `-a ${quoted(values.join(' '))}`)],
  );
  const optionLines = options.map((option) =>
    line(`__carelink_tokens_in ${name}`, optionPart(option), option.brief),
  );
  return ['', `# ${name}`, ...wordLines, ...optionLines].join('\n');
}

function optionPart({ flag, takesValue, values }: CompletedOption): string {
  if (!takesValue) return `-l ${flag}`;
  if (values === 'file') return `-l ${flag} -r -F`;
  if (values === 'directory') return `-l ${flag} -x -a '(__fish_complete_directories)'`;
  return values.length === 0 ? `-l ${flag} -x` : `-l ${flag} -x -a ${quoted(values.join(' '))}`;
}

function line(condition: string, what: string, brief?: string): string {
  const told = brief === undefined ? '' : ` -d ${quoted(brief)}`;
  return `complete -c carelink-tokens -n '${condition}' ${what}${told}`;
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;
