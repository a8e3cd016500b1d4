// The theme a person has chosen, before anything is painted: without it the system's.
try {
  const theme = localStorage.getItem("ithaca-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* Storage is off: the system's theme it is. */ }
