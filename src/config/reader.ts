import { processSource, type Source } from './source.js';

/** Texts of files, by their absolute paths. */
export type FileTexts = Readonly<Record<string, string>>;

/**
 * Reads a command's settings, and says which files they were made of.
 *
 * @param texts of the files, as another process has read them; undefined: they are read now
 * @throws {ConfigError}
 */
export type SettingsReader<Settings> = (texts?: FileTexts) => {
  readonly settings: Settings;
  readonly files: FileTexts;
};

export function settingsReader<Settings>(
  settingsFrom: (source: Source) => Settings,
): SettingsReader<Settings> {
  return (texts) => {
    if (texts !== undefined) return { settings: settingsFrom(sourceOf(texts)), files: texts };
    const files: Record<string, string> = {};
    const source = processSource();
    const settings = settingsFrom({
      ...source,
      readFile: (path) => (files[path] = source.readFile(path)),
    });
    return { settings, files };
  };
}

/** This process's own surroundings, but for the files. */
function sourceOf(texts: FileTexts): Source {
  const { env, cwd } = processSource();
  return {
    env,
    cwd,
    readFile(path) {
      const text = texts[path];
      // All processes have the same options, so they read the same files.
      if (text === undefined) throw new Error('a file that the first process has not read');
      return text;
    },
  };
}
