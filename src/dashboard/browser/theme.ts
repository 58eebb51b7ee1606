import { setText } from './elements.js';

const CHOICES = ['auto', 'light', 'dark'] as const;
type Choice = (typeof CHOICES)[number];
const KEY = 'carelink-tokens-theme';

/** The system's theme unless another one was chosen; the choice is kept in this browser. */
export function followTheme(button: HTMLElement, onChange: () => void): void {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let choice = stored();
  const apply = (): void => {
    const theme = choice === 'auto' ? (dark.matches ? 'dark' : 'light') : choice;
    document.documentElement.dataset['theme'] = theme;
    setText(button, `Theme: ${choice}`);
    onChange();
  };
  button.addEventListener('click', () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length] ?? 'auto';
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // A browser that keeps nothing: then the choice is this page's.
    }
    apply();
  });
  dark.addEventListener('change', apply);
  apply();
}

function stored(): Choice {
  try {
    return CHOICES.find((choice) => choice === localStorage.getItem(KEY)) ?? 'auto';
  } catch {
    return 'auto';
  }
}
