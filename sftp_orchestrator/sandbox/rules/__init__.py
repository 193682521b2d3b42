"""What the receiver demands of data: the table of rules, and one module for each thing that they are about.

``rule.Rule`` lists everything that is refused; ``layout.find_faults`` holds a whole file to its rules, ``checking`` a
row to its own. All of it is pure, and in plain Python, cell by cell: the sending side's way is another one. The facts
are CleverTap's pages *Imports via SFTP*, *Imports: FAQs*, *CSV Upload* and *Upload Events*; where no page says
anything, the docstring says *not documented*, and what was chosen.
"""
