import { completionSettings } from '../../config/completion-settings.js';
import type { CompletionSettings } from '../../config/settings.js';
import { SHELLS } from '../../config/vocabulary.js';
import type { CommandDescriptor } from '../descriptor.js';

export const completionCommand: CommandDescriptor<CompletionSettings> = {
  name: 'completion',
  group: 'Set up',
  summary: 'print a script that completes commands, options and values in bash, zsh or fish',
  words: [{ syntax: '<shell>', help: SHELLS.join(', '), suggests: SHELLS }],
  examples: [
    'source <(carelink-tokens completion bash)     # in ~/.bashrc',
    'source <(carelink-tokens completion zsh)      # in ~/.zshrc, after compinit',
    'carelink-tokens completion fish > ~/.config/fish/completions/carelink-tokens.fish',
  ],
  table: {},
  first: [],
  settings: (_flags, _source, words) => completionSettings(words),
  async run({ shell }, output, { commands }) {
    const { completionScript } = await import('../completion/index.js');
    output.verdict(completionScript(shell, commands));
    return 0;
  },
};
