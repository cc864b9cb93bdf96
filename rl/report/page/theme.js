// Light and dark: as the system has it, or as the reader chose. Runs in the head, before anything is shown.
const THEMES = ["auto", "light", "dark"];
const systemDark = matchMedia("(prefers-color-scheme: dark)");
let theme = remembered((storage) => storage.getItem("t2rl-theme")) ?? "auto";
if (!THEMES.includes(theme)) theme = "auto";
showTheme();

// A page opened from a file may be refused storage; then the choice lasts as long as the page.
function remembered(action) {
  try {
    return action(localStorage);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

function showTheme() {
  const dark = theme === "dark" || (theme === "auto" && systemDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function startTheme() {
  const button = document.getElementById("theme");
  const apply = () => {
    showTheme();
    button.textContent = `Theme: ${theme}`;
    document.dispatchEvent(new Event("themechange"));
  };
  systemDark.addEventListener("change", apply);
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remembered((storage) => storage.setItem("t2rl-theme", theme));
    apply();
  });
  apply();
}
