"""What stands before the pages and their routes: the class's door, host names, seats, answers that many share. No page's own."""
